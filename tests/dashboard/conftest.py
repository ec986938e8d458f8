"""A small data set for pages whose jobs are queued and never started."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.index import build_index
from pipeline.data.splits import make_split
from pipeline.jobs import JobStore
from pipeline.workspace import Workspace


@pytest.fixture
def small(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A data set of twelve patients with two slices each, split; jobs are queued and never started."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        path = Path(("pCT", "nCT")[number % 2]) / f"{number}.png"
        (tmp_path / "small" / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "small" / path), rng.integers(0, 255, (64, 64), dtype=np.uint8))
        rows.append({"path": str(path), "label": path.parts[0], "patient_id": f"p{number // 2}"})
    pd.DataFrame(rows).to_csv(tmp_path / "small" / "labels.csv", index=False)
    build_index(workspace, tmp_path / "small", name="small")
    make_split(workspace, "small", name="by-patient")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    return workspace
