"""Which slices the input gate would not have answered: what a user would never have seen a score for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.data.datasets import load_index, read_manifest
from pipeline.data.reading import load_slice
from pipeline.data.slice_image import SliceError
from pipeline.evaluation.predictions import Predictions
from pipeline.inference.predict import judge
from pipeline.jobs import Progress, no_progress
from pipeline.workspace import Workspace, atomic_write_parquet

GATE_FILE = "gate.parquet"


def with_refusals(
    workspace: Workspace, dataset: str | None, predictions: Predictions, *, progress: Progress = no_progress
) -> Predictions:
    """Return the predictions with the gate's refusals.

    They come back as they are where they have them already, or where the data set is gone. The rules
    judge each slice once, remembered beside the index (`gate.parquet`) by its content; slices that are unlike
    the run's training (`unlike` in its table) are refused too.
    """
    if predictions.has_gate or not dataset or read_manifest(workspace, dataset) is None:
        return predictions
    wanted = predictions.table["slice_id"]
    index = load_index(workspace, dataset).set_index("slice_id")
    rows = index.reindex(wanted)
    if rows["content_hash"].isna().any():
        return predictions
    path = workspace.dataset_dir(dataset) / GATE_FILE
    known = _remembered(path)
    todo = rows[~rows["content_hash"].isin(known)]
    for done, (_, row) in enumerate(todo.iterrows()):
        progress(done, len(todo), "Asking the gate")
        known[str(row["content_hash"])] = _refused(workspace, dataset, row)
    if len(todo):
        table = pd.DataFrame({"content_hash": list(known), "rejected": list(known.values())})
        atomic_write_parquet(path, table)
    refused = rows["content_hash"].map(known).to_numpy(bool)
    if "unlike" in predictions.table:
        refused = refused | predictions.table["unlike"].fillna(False).to_numpy(bool)
    return replace(
        predictions, table=predictions.table.assign(rejected=refused), rejected=refused, has_gate=True
    )


def _remembered(path: Path) -> dict[str, bool]:
    if not path.is_file():
        return {}
    table = pd.read_parquet(path)
    return dict(zip(table["content_hash"].astype(str), table["rejected"].astype(bool), strict=True))


def _refused(workspace: Workspace, dataset: str, row: pd.Series) -> bool:
    try:
        found = load_slice(workspace, dataset, row)
    except SliceError:
        return True
    return not judge(found).passed
