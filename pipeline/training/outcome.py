"""What a training leaves: the exported engine and the predictions of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models import load_weights
from pipeline.cache.store import SliceCache
from pipeline.data.splits import PARTS
from pipeline.evaluation.fitting import fit_beside
from pipeline.inference.engine import FOLDER, Engine
from pipeline.inference.export import export_engine
from pipeline.inference.table import answers_table, keep_heat_range, predict_prepared
from pipeline.jobs import Progress
from pipeline.runs import RunInfo
from pipeline.training.plan import BEST, Plan
from pipeline.workspace import atomic_write_parquet

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
