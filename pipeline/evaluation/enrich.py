"""What the data set's index knows of each slice, set beside its prediction: more subgroups to look at."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from pipeline.data.datasets import load_index, read_manifest
from pipeline.data.table import COLUMNS
from pipeline.evaluation.predictions import Predictions
from pipeline.workspace import Workspace

DIVIDING = ("source", "manufacturer", "kernel", "modality", "format", "channels", "bit_depth")
"""The index's own columns that tell of where a slice comes from; a data set's further columns all do."""


def with_index_columns(workspace: Workspace, dataset: str | None, predictions: Predictions) -> Predictions:
    """Return the predictions with the index's columns joined; as they are where the data set is gone."""
    if not dataset or read_manifest(workspace, dataset) is None:
        return predictions
    index = load_index(workspace, dataset)
    known = set(predictions.table.columns)
    wanted = [
        name for name in index.columns if name not in known and (name in DIVIDING or name not in COLUMNS)
    ]
    columns = (
        index.set_index("slice_id")[wanted].reindex(predictions.table["slice_id"]).reset_index(drop=True)
    )
    return replace(predictions, table=pd.concat([predictions.table, columns], axis=1))
