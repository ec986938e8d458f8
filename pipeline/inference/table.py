"""The predictions table of many prepared slices at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.explanation.closed_form import closed_form_cam
from pipeline.inference.engine import Engine, Outputs
from pipeline.jobs import Progress, no_progress
from pipeline.preprocessing.geometry import to_model_input

BATCH = 16


def predictions_table(
    engine: Engine,
    images: Sequence[np.ndarray] | np.ndarray,
    rows: pd.DataFrame,
    *,
    batch_size: int = BATCH,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Predict prepared slices and set the answers beside what is known of them.

    Args:
        engine: the exported model.
        images: n preprocessed slices, uint8 (size, size) or (size, size, 3), as the cache holds them.
        rows: n rows in the same order: `slice_id`, `label`, and what else the table shall carry
            (`patient_id`, `group`, `part`, `source`, `rejected`, ...).
        batch_size: slices at once.
        progress: told how many are done.

    Returns:
        The predictions table: `rows` with `label` as `y_true`, and `y_pred`, `logit_<class>`...,
        `probability_<class>`....
    """
    if len(images) != len(rows):
        raise ValueError(f"Expected as many images as rows; received {len(images)} and {len(rows)}.")
    logits = np.zeros((len(rows), len(engine.classes)), np.float32)
    probabilities = np.zeros_like(logits)
    for start, outputs in _batches(engine, images, batch_size):
        stop = start + len(outputs.logits)
        logits[start:stop], probabilities[start:stop] = outputs.logits, outputs.probabilities
        progress(stop, len(rows), "predicting")
    answers: dict[str, Any] = {"y_pred": [engine.classes[best] for best in logits.argmax(axis=1)]}
    answers |= {f"logit_{name}": logits[:, place] for place, name in enumerate(engine.classes)}
    answers |= {f"probability_{name}": probabilities[:, place] for place, name in enumerate(engine.classes)}
    known = rows.rename(columns={"label": "y_true"}).reset_index(drop=True)
    return pd.concat([known, pd.DataFrame(answers)], axis=1)


def keep_heat_range(
    engine: Engine, images: Sequence[np.ndarray] | np.ndarray, *, batch_size: int = BATCH
) -> float:
    """Measure how strong a cohort's heatmaps get and write it into the engine, as its scale for all slices.

    One scale for all lets weak evidence look weak. It ends at the 99th percentile of the slices' peaks, each
    in the heatmap of its predicted class; `images` are best those of the validation part.
    """
    peaks = [
        np.abs(closed_form_cam(features, engine.cam, class_index=int(logits.argmax())).values).max()
        for _, outputs in _batches(engine, images, batch_size)
        for logits, features in zip(outputs.logits, outputs.features, strict=True)
    ]
    value = float(np.percentile(peaks, 99)) if peaks else 0.0
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
