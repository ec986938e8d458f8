"""What a training leaves: the exported engine, predictions of all parts, what it has seen, where it ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import psutil

from models import load_weights
from pipeline.cache.store import SliceCache
from pipeline.data.splits import PARTS
from pipeline.evaluation.fitting import fit_beside
from pipeline.inference.engine import FOLDER, Engine
from pipeline.inference.export import export_engine
from pipeline.inference.seen import with_fingerprints
from pipeline.inference.table import answers_table, keep_heat_range, predict_prepared
from pipeline.jobs import Progress
from pipeline.runs import RunInfo
from pipeline.training.plan import BEST, Plan
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

_PACKAGES = ("keras", "tensorflow", "numpy", "opencv-python-headless", "openvino", "mlflow-skinny")
_SEEN = ["slice_id", "content_hash", "perceptual_hash", "patient_id", "part"]
_NOT_CARRIED = ["content_hash", "perceptual_hash"]


def write_outcome(run: RunInfo, plan: Plan, cache: SliceCache, model: Any, progress: Progress) -> None:
    """Export the best weights and predict all parts with what was exported."""
    load_weights(model, run.artifacts / BEST)
    progress(98, 100, "Exporting the best weights")
    export_engine(model, run.artifacts / FOLDER, class_names=plan.classes, recipe=plan.recipe)
    engine = Engine.load(run)
    keep_heat_range(engine, _images(plan, cache, "val"))
    engine = Engine.load(run)
    answers = {}
    for part in PARTS:
        progress(99, 100, f"Predicting the {part} part")
        if len(plan.part(part)):
            answers[part] = predict_prepared(engine, _images(plan, cache, part))
    rows = {part: plan.part(part) for part in answers}
    fit_beside(engine, answers, rows, folder=run.artifacts, dataset=plan.split["dataset"])
    engine = Engine.load(run)
    for part, found in answers.items():
        table = answers_table(engine, found, rows[part].drop(columns=_NOT_CARRIED))
        atomic_write_parquet(run.artifacts / "predictions" / f"{part}.parquet", table)


def write_seen(workspace: Workspace, run: RunInfo, plan: Plan) -> None:
    """Write which slices and patients the model may have seen, before it sees any."""
    rows = with_fingerprints(workspace, plan.split["dataset"], plan.table[_SEEN])
    atomic_write_parquet(run.artifacts / "seen.parquet", rows)


def write_environment(run: RunInfo) -> None:
    """Write where and with what the run was made."""
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS"),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    atomic_write_json(run.artifacts / "environment.json", facts)


def _images(plan: Plan, cache: SliceCache, part: str) -> CachedImages:
    return CachedImages(cache, plan.part(part)["slice_id"].tolist())


class CachedImages(Sequence[np.ndarray]):
    """The prepared slices of some ids as a sequence; what is not looked at is not read."""

    def __init__(self, cache: SliceCache, slice_ids: list[str]) -> None:
        self._array = cache.array
        self._rows = cache.rows(slice_ids)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._array[self._rows[index]]
