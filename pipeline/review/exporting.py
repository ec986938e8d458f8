"""The readings of a workspace as a file, with what is known of their slices."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.data.datasets import load_index, read_manifest
from pipeline.data.decisions import load_decisions
from pipeline.errors import HilumError
from pipeline.review.readings import export_csv, export_json, with_slices
from pipeline.review.store import ReviewStore
from pipeline.runs import RunNotFoundError, RunStore
from pipeline.workspace import Workspace, atomic_write_text

NO_INDEX = pd.DataFrame(columns=["path", "frame", "patient_id", "label"], dtype=object)


class ExportError(HilumError):
    """A file of a kind that readings are not written as."""


def write_readings(workspace: Workspace, readings: pd.DataFrame, path: Path) -> None:
    """Write readings as .csv, or with the state of the audit as .json; both say what the slices are.

    Raises:
        ExportError: another ending.
    """
    target = path.expanduser().absolute()
    if target.suffix.lower() not in (".csv", ".json"):
        raise ExportError(f"Readings are written as .csv or .json; received {path.name!r}.")
    manifests = [read_manifest(workspace, str(name)) or {} for name in readings["dataset"].unique()]
    synthetic = any(each.get("synthetic") for each in manifests)
    described = describe_slices(workspace, readings)
    if target.suffix.lower() == ".csv":
        text = export_csv(described, synthetic=synthetic)
    else:
        text = export_json(ReviewStore.of(workspace), described, synthetic=synthetic)
    atomic_write_text(target, text)


def describe_slices(workspace: Workspace, readings: pd.DataFrame) -> pd.DataFrame:
    """Add what is known of the slices of readings, of any data sets and runs; see `with_slices`."""
    if readings.empty:
        return with_slices(readings, NO_INDEX, {}, ())
    parts = []
    for (dataset, run), rows in readings.groupby(["dataset", "run"], sort=False):
        name, here = str(dataset), read_manifest(workspace, str(dataset)) is not None
        index = load_index(workspace, name).set_index("slice_id") if here else NO_INDEX
        excluded = load_decisions(workspace, name).excluded
        parts.append(with_slices(rows, index, _groups(workspace, str(run)), excluded))
    return pd.concat(parts).sort_index()


def _groups(workspace: Workspace, run_id: str) -> dict[str, str]:
    """Return what the split of a run kept together, by slice; nothing where the run is gone."""
    try:
        table = RunStore(workspace).find(run_id).load_split().get("table", {})
    except RunNotFoundError:
        return {}
    return dict(zip(table.get("slice_id", []), map(str, table.get("group", [])), strict=False))
