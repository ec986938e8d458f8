"""The predictions table of many prepared slices at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.explanation.closed_form import closed_form_cam
from pipeline.inference.engine import Engine, Outputs
from pipeline.inference.reference import pool
from pipeline.jobs import Progress, no_progress
from pipeline.preprocessing.geometry import to_model_input

BATCH = 16


class Answers(NamedTuple):
    """What the network says of n slices: float32 (n, c), and the pooled features, float32 (n, k)."""

    logits: np.ndarray
    pooled: np.ndarray


def predict_prepared(
    engine: Engine,
    images: Sequence[np.ndarray] | np.ndarray,
    *,
    batch_size: int = BATCH,
    progress: Progress = no_progress,
) -> Answers:
    """Run the network over prepared slices.

    Args:
        engine: the exported model.
        images: n preprocessed slices, uint8 (size, size) or (size, size, 3), as the cache holds them.
        batch_size: slices at once.
        progress: told how many are done.
    """
    logits = np.zeros((len(images), len(engine.classes)), np.float32)
    pooled = np.zeros((len(images), 2 * len(engine.cam.weights)), np.float32)
    for start, outputs in _batches(engine, images, batch_size):
        stop = start + len(outputs.logits)
        logits[start:stop], pooled[start:stop] = outputs.logits, pool(outputs.features)
        progress(stop, len(images), "predicting")
    return Answers(logits, pooled)


def answers_table(engine: Engine, answers: Answers, rows: pd.DataFrame) -> pd.DataFrame:
    """Set the network's answers beside what is known of the slices.

    Args:
        engine: the exported model, with its calibration and reference where it has them.
        answers: of `predict_prepared`.
        rows: n rows in the same order: `slice_id`, `label`, and what else the table shall carry
            (`patient_id`, `group`, `part`, `source`, `rejected`, ...).

    Returns:
        The predictions table: `rows` with `label` as `y_true`, and `y_pred`, `logit_<class>`...,
        `probability_<class>`... (calibrated where the engine is), and `unlike`, whether the slice lies too
        far from the training's (never one called non-informative), where that can be told.
    """
    logits, probabilities = answers.logits, engine.probabilities(answers.logits)
    columns: dict[str, Any] = {"y_pred": [engine.classes[best] for best in logits.argmax(axis=1)]}
    columns |= {f"logit_{name}": logits[:, place] for place, name in enumerate(engine.classes)}
    columns |= {f"probability_{name}": probabilities[:, place] for place, name in enumerate(engine.classes)}
    if engine.reference is not None:
        far = engine.reference.distances(answers.pooled) > engine.reference.threshold
        columns["unlike"] = far & (np.array(columns["y_pred"]) != NON_INFORMATIVE)
    known = rows.rename(columns={"label": "y_true"}).reset_index(drop=True)
    return pd.concat([known, pd.DataFrame(columns)], axis=1)


def predictions_table(
    engine: Engine,
    images: Sequence[np.ndarray] | np.ndarray,
    rows: pd.DataFrame,
    *,
    batch_size: int = BATCH,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Predict prepared slices and set the answers beside what is known of them; see `answers_table`."""
    if len(images) != len(rows):
        raise ValueError(f"Expected as many images as rows; received {len(images)} and {len(rows)}.")
    return answers_table(
        engine, predict_prepared(engine, images, batch_size=batch_size, progress=progress), rows
    )


def keep_heat_range(
    engine: Engine, images: Sequence[np.ndarray] | np.ndarray, *, batch_size: int = BATCH
) -> float:
    """Measure how strong a cohort's heatmaps get and write it into the engine, as its scale for all slices.

    One scale for all lets weak evidence look weak. It ends at the 95th percentile of the slices' peaks, each
    in the heatmap of its predicted class; `images` are best those of the validation part. Slices called
    non-informative do not count where there are others. One in a hundred of the shipped model's peaks is five
    times as high as the rest: a scale that ends there shows no disease's evidence.
    """
    peaks: dict[bool, list[float]] = {True: [], False: []}
    for _, outputs in _batches(engine, images, batch_size):
        for logits, features in zip(outputs.logits, outputs.features, strict=True):
            best = int(logits.argmax())
            values = closed_form_cam(features, engine.cam, class_index=best).values
            peaks[engine.classes[best] != NON_INFORMATIVE].append(float(np.abs(values).max()))
    counted = peaks[True] or peaks[False]
    value = float(np.percentile(counted, 95)) if counted else 0.0
    engine.rewrite(heat_range=value if value > 0 else None)
    return value


def _batches(
    engine: Engine, images: Sequence[np.ndarray] | np.ndarray, batch_size: int
) -> Iterator[tuple[int, Outputs]]:
    size, channels = engine.facts.image_size, engine.facts.channels
    for start in range(0, len(images), batch_size):
        batch = [
            to_model_input(np.asarray(image), image_size=size, channels=channels)
            for image in images[start : start + batch_size]
        ]
        yield start, engine.run(np.stack(batch))
