"""Leaving out of the figures what the user excluded from a data set, openly: they are counted."""

from __future__ import annotations

from dataclasses import replace

from pipeline.data.datasets import read_manifest
from pipeline.data.decisions import load_decisions
from pipeline.evaluation.predictions import Predictions, PredictionsError
from pipeline.workspace import Workspace


def without_excluded(workspace: Workspace, dataset: str | None, predictions: Predictions) -> Predictions:
    """Return the predictions without excluded slices; as they are where none is, or the data set is gone.

    Raises:
        PredictionsError: nothing is left.
    """
    if not dataset or read_manifest(workspace, dataset) is None:
        return predictions
    excluded = predictions.table["slice_id"].isin(load_decisions(workspace, dataset).excluded).to_numpy()
    count = int(excluded.sum())
    if not count:
        return predictions
    if count == len(predictions):
        raise PredictionsError(
            f"All {count:,} slices were excluded from {dataset}: there is nothing to evaluate. "
            f"Take decisions back with `python -m pipeline decide {dataset} undo SLICE...`."
        )
    return replace(predictions.select(~excluded), excluded=count)
