"""What a verdict must know beside the predictions: whose slices these are, and who has seen them before."""

from __future__ import annotations

import pandas as pd

from pipeline.data.datasets import load_index, read_manifest
from pipeline.evaluation.openings import count_openings
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.verdict import Circumstances
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace

MAKING = ("train", "val", "calibration")
"""The parts that a model is made with."""


def circumstances_of_part(
    workspace: Workspace, run: RunInfo, part: str, predictions: Predictions
) -> Circumstances:
    """Gather what is known of a part of the run's own split."""
    split = run.load_split()
    openings, split_runs = count_openings(workspace, run)
    return Circumstances(
        part=part,
        synthetic=run.synthetic or _is_synthetic(workspace, run.params.get("dataset")),
        synthetic_model=run.synthetic,
        group_by=split.get("group_by"),
        shared_patients=_shared_patients(run, predictions),
        calibrated=_is_calibrated(run),
        openings=openings,
        split_runs=split_runs,
    )


def circumstances_of_dataset(
    workspace: Workspace, run: RunInfo, dataset: str, predictions: Predictions
) -> Circumstances:
    """Gather what is known of another data set."""
    return Circumstances(
        synthetic=_is_synthetic(workspace, dataset),
        synthetic_model=run.synthetic,
        shared_patients=_shared_patients(run, predictions),
        shared_slices=_slices_among(workspace, _seen(run), dataset, predictions),
        own_slices=_slices_among(workspace, _recorded(run), dataset, predictions),
        other_sources=_other_sources(workspace, run, dataset, predictions),
        external=dataset != run.params.get("dataset"),
        calibrated=_is_calibrated(run),
    )


def _is_synthetic(workspace: Workspace, dataset: str | None) -> bool | None:
    """Whether a data set's slices were generated; None where it is gone."""
    manifest = read_manifest(workspace, dataset) if dataset else None
    return bool(manifest.get("synthetic")) if manifest is not None else None


def _is_calibrated(run: RunInfo) -> bool:
    return (run.artifacts / "calibration.json").is_file()


def _recorded(run: RunInfo) -> pd.DataFrame | None:
    """Return the run's slices, of every part."""
    path = run.artifacts / "seen.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def _seen(run: RunInfo) -> pd.DataFrame | None:
    """Return the slices that the model was made with."""
    recorded = _recorded(run)
    return None if recorded is None else recorded[recorded["part"].isin(MAKING)]


def _shared_patients(run: RunInfo, predictions: Predictions) -> int | None:
    """How many of these patients the model was made with; None where the run's patients are not recorded."""
    seen = _seen(run)
    if seen is None or seen["patient_id"].isna().any():
        return None
    return len(set(seen["patient_id"]) & set(predictions.table["patient_id"].dropna()))


def _slices_among(
    workspace: Workspace, among: pd.DataFrame | None, dataset: str, predictions: Predictions
) -> int | None:
    """How many of these slices, by their content, are among those; None where it cannot be told."""
    if among is None or read_manifest(workspace, dataset) is None:
        return None
    index = load_index(workspace, dataset).set_index("slice_id")["content_hash"]
    return int(index.reindex(predictions.table["slice_id"]).isin(among["content_hash"]).sum())


def _other_sources(workspace: Workspace, run: RunInfo, dataset: str, predictions: Predictions) -> bool | None:
    """Whether no slice has a source of the run's own data set; None where a source is not recorded."""
    own = run.params.get("dataset")
    if not own or any(read_manifest(workspace, name) is None for name in (own, dataset)):
        return None
    here = load_index(workspace, dataset).set_index("slice_id")["source"]
    here, there = here.reindex(predictions.table["slice_id"]), load_index(workspace, own)["source"]
    if here.isna().any() or there.isna().any():
        return None
    return set(here).isdisjoint(there)
