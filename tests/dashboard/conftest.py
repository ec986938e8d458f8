"""A small data set for pages whose jobs are queued and never started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.data.index import build_index
from pipeline.data.splits import make_split
from pipeline.jobs import JobStore
from pipeline.workspace import Workspace


@pytest.fixture
def small(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A data set of twelve patients with two slices each, split; jobs are queued and never started."""
    build_small(workspace, tmp_path / "small")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    return workspace


def build_small(workspace: Workspace, folder: Path) -> None:
    """Write twelve patients with two slices of noise each into `folder`; index and split them as `small`."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        path = Path(("pCT", "nCT")[number % 2]) / f"{number}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / path), rng.integers(0, 255, (64, 64), dtype=np.uint8))
        rows.append({"path": str(path), "label": path.parts[0], "patient_id": f"p{number // 2}"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    build_index(workspace, folder, name="small")
    make_split(workspace, "small", name="by-patient")


def html_of(app: AppTest) -> str:
    """Return what the page's HTML parts say."""
    return "".join(str(part.proto.body) for part in app.get("html"))


def widget(app: AppTest, kind: str, key: str) -> Any:
    """Return the widget of a kind (`button`, `selectbox`, ...) that has this key."""
    return next(each for each in getattr(app, kind) if each.key == key)
