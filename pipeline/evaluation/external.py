"""Predictions of a run for another indexed data set, made once and kept beside that data set."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.cache.build import build_cache
from pipeline.cache.store import content_key, readable_rows
from pipeline.data.clusters import load_clusters
from pipeline.data.datasets import load_index
from pipeline.data.table import COLUMNS
from pipeline.evaluation.enrich import DIVIDING
from pipeline.evaluation.predictions import Predictions, PredictionsError, load_predictions
from pipeline.inference.engine import Engine
from pipeline.inference.table import predictions_table
from pipeline.jobs import Progress, no_progress
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace, atomic_write_parquet

KEPT = ("slice_id", "label", "patient_id", "group", "content_hash", *DIVIDING)


def predict_dataset(
    workspace: Workspace, run: RunInfo, dataset: str, *, progress: Progress = no_progress
) -> Predictions:
    """Return the run's predictions for every labelled slice of an indexed data set.

    They are kept in the data set's folder (and go with it), and made anew when the data set has changed.
    Slices are prepared with the run's own recipe. Near-duplicate slices are one group, and join patients.

    Raises:
        PredictionsError: no slice has a label.
    """
    index = load_index(workspace, dataset)
    index["group"] = load_clusters(workspace, dataset).to_numpy()
    rows = readable_rows(index[index["label"].notna()])
    if not len(rows):
        raise PredictionsError(
            f"The data set {dataset} has no labelled slice to compare with. Index it again with a CSV of "
            f"labels: `python -m pipeline index FOLDER --name {dataset} --labels FILE.csv`."
        )
    path = predictions_path(workspace, run, dataset)
    if not path.is_file():
        engine = Engine.load(run)
        cache = build_cache(workspace, dataset, engine.recipe, progress=progress)
        prepared = rows[rows["slice_id"].isin(cache.slice_ids)].reset_index(drop=True)
        images = cache.array[cache.rows(list(prepared["slice_id"]))]
        kept = prepared[[name for name in prepared.columns if name in KEPT or name not in COLUMNS]]
        table = predictions_table(engine, images, kept.assign(part=None), progress=progress)
        atomic_write_parquet(path, table)
    return load_predictions(path)


def predictions_path(workspace: Workspace, run: RunInfo, dataset: str) -> Path:
    """Return where the predictions of a run for a data set lie, as that is indexed and labelled now."""
    index = load_index(workspace, dataset)
    rows = readable_rows(index[index["label"].notna()])
    labels = hashlib.sha256("\n".join(rows["label"].astype(str)).encode()).hexdigest()[:8]
    return workspace.dataset_dir(dataset) / "predictions" / f"{run.id}-{content_key(rows)}-{labels}.parquet"
