"""A finished run as training leaves it, without the training: its tables come from `make_table`."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from pipeline.data.index import build_index
from pipeline.evaluation.external import predictions_path
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet
from tests.evaluation.tables import LABELS, make_table

PATIENTS = {"train": 60, "val": 16, "calibration": 8, "test": 24}


def make_run(
    workspace: Workspace,
    name: str = "first",
    *,
    skill: float = 1.5,
    seed: int = 0,
    synthetic: bool = False,
    dataset: str = "wards",
    group_by: str = "patient",
    patients: dict[str, int] | None = None,
) -> RunInfo:
    """Make a run with predictions of every part. Runs of one `seed` share slices and split."""
    store = RunStore(workspace)
    tags = {"synthetic": "true"} if synthetic else {}
    run = store.create(name, {"dataset": dataset, "architecture": "EfficientNetV2B0"}, tags)
    parts = {
        part: _part_table(part, count, skill=skill, seed=seed)
        for part, count in (patients or PATIENTS).items()
    }
    for part, table in parts.items():
        atomic_write_parquet(run.artifacts / "predictions" / f"{part}.parquet", table)
    rows = pd.concat(list(parts.values()), ignore_index=True)
    atomic_write_parquet(run.artifacts / "seen.parquet", rows[["slice_id", "patient_id", "part"]].assign(
        content_hash=rows["slice_id"], perceptual_hash=None))  # fmt: skip
    atomic_write_json(run.artifacts / "classes.json", list(LABELS))
    atomic_write_json(run.artifacts / "config.json", {"dataset": dataset, "architecture": "EfficientNetV2B0"})
    atomic_write_json(
        run.artifacts / "split.json",
        {"name": "patients", "hash": f"split-{seed}", "dataset": dataset, "group_by": group_by,
         "table": rows[["slice_id", "group", "part"]].to_dict(orient="list")},
    )  # fmt: skip
    store.finish(run.id)
    return store.find(run.id)


def make_evaluated(workspace: Workspace, name: str, *runs: RunInfo, skill: float = 1.5) -> None:
    """Index a small data set, and keep predictions of runs for it, each better than the one before."""
    for place in range(6):
        label = ("pCT", "nCT", "NiCT")[place % 3]
        path = workspace.root.parent / name / label / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(place).integers(0, 255, (64, 64), dtype=np.uint8)
        assert cv2.imwrite(str(path), noise)
    build_index(workspace, workspace.root.parent / name, name=name)
    for place, run in enumerate(runs):
        table = make_table(patients=20, skill=skill * (place + 1), seed=9)
        atomic_write_parquet(predictions_path(workspace, run, name), table)


def _part_table(part: str, count: int, *, skill: float, seed: int) -> pd.DataFrame:
    offset = 100 * list(PATIENTS).index(part) + 1000 * seed
    table = make_table(patients=count, skill=skill, seed=offset)
    table["part"] = part
    for column in ("slice_id", "patient_id", "group"):
        table[column] = f"{part}-{seed}-" + table[column]
    return table
