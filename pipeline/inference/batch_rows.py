"""The rows of a batch's table: what is known of a slice, and what the model says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.data.inputs import InputSlice
from pipeline.data.labels import label_from_path
from pipeline.data.table import slice_id
from pipeline.inference.answer import decide
from pipeline.inference.batch_work import Prepared
from pipeline.inference.calibrated import conformal_answer
from pipeline.inference.engine import Engine
from pipeline.inference.table import Answers
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo

Row = dict[str, Any]


def answer_rows(
    engine: Engine,
    run: RunInfo,
    slices: Sequence[InputSlice],
    prepared: Sequence[Prepared],
    answers: Answers,
    inputs: Sequence[Path],
) -> Iterator[Row]:
    """Yield a row a slice; `answers` are of those that could be read."""
    probabilities = engine.probabilities(answers.logits)
    reference = engine.reference
    distances = reference.distances(answers.pooled) if reference is not None else None
    place = 0
    for source, made in zip(slices, prepared, strict=True):
        row = _known(engine, run, source, made, inputs)
        if made.image is None:
            yield row | {"status": "error", "reason": made.error}
            continue
        distance = float(distances[place]) if distances is not None else None
        yield row | _answer_row(engine, made, answers.logits[place], probabilities[place], distance)
        place += 1


def _known(engine: Engine, run: RunInfo, source: InputSlice, made: Prepared, inputs: Sequence[Path]) -> Row:
    """Return what is known of a slice without the network."""
    base = next((folder for folder in inputs if source.path.is_relative_to(folder)), source.path.parent)
    relative = source.path.relative_to(base).as_posix() if source.path != base else source.path.name
    label = label_from_path(relative)
    return {
        "slice_id": slice_id("", os.fsencode(relative).decode("utf-8", "backslashreplace"), source.frame),
        "patient_id": made.patient_id,
        "group": made.patient_id,
        "part": made.seen if made.seen in ("train", "val", "calibration", "test") else None,
        "y_true": label if label in engine.classes else None,
        "path": source.shown,
        "frame": source.frame,
        "seen": made.seen,
        "series_uid": made.series_uid,
        "slice_location": source.location,
        "calibrated": engine.calibration is not None,
        "run": run.name,
        "model_sha256": engine.facts.sha256["model.bin"],
        "notice": NOTICE,
    }


def _answer_row(
    engine: Engine, made: Prepared, logits: Any, probabilities: Any, distance: float | None
) -> Row:
    by_class = {name: float(value) for name, value in zip(engine.classes, probabilities, strict=True)}
    share = made.lung_share or 0.0
    answer = decide(
        engine,
        refusals=made.refusals,
        lung_fraction=share,
        lungs_believed=made.lungs_believed,
        probabilities=by_class,
        distance=distance,
        unlike_drawn=made.unlike_drawn,
    )
    conformal = conformal_answer(engine.calibration, by_class, answer.label)
    reference = engine.reference
    return {
        "y_pred": answer.model_label,
        **{f"logit_{name}": float(value) for name, value in zip(engine.classes, logits, strict=True)},
        **{f"probability_{name}": value for name, value in by_class.items()},
        "status": answer.status,
        "reason": answer.reason,
        "label": answer.label,
        "rejected": bool(made.refusals),
        "unlike": answer.unlike if reference is not None or engine.synthetic else None,
        "distance": distance,
        "little_lung": answer.little_lung,
        "lung_share": share,
        "lungs_believed": made.lungs_believed,
        "conformal_set": None if conformal.labels is None else " | ".join(conformal.labels),
        "abstains": None if conformal.labels is None else not conformal.is_decided,
    }
