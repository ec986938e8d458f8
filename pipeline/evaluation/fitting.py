"""Fit what a run's calibration patients can teach: temperature, operating point, conformal sets.

The patients of the calibration part taught the network nothing and chose nothing, so what is fitted on them
holds for others like them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.evaluation.conformal import fit_conformal
from pipeline.evaluation.intervals import MIN_GROUPS, group_sums
from pipeline.evaluation.predictions import Predictions, read_predictions
from pipeline.inference.calibrated import FILE as CALIBRATION_FILE
from pipeline.inference.calibrated import Basis, Calibration, OperatingPoint, softmax
from pipeline.inference.engine import Engine
from pipeline.inference.reference import FILE as REFERENCE_FILE
from pipeline.inference.reference_fit import fit_reference
from pipeline.inference.table import Answers, answers_table
from pipeline.workspace import atomic_write_text

SHARPEST, FLATTEST = 0.25, 20.0  # where every calibration slice is right, the best fit has no end
SENSITIVITY = 0.90  # of the operating point: what is missed weighs more than what is called in vain


def fit_beside(
    engine: Engine,
    answers: Mapping[str, Answers],
    rows: Mapping[str, pd.DataFrame],
    *,
    folder: Path,
    dataset: str,
) -> None:
    """Fit what lies beside an engine, its calibration and its reference, and write both.

    Args:
        engine: as exported.
        answers: by part: `train`, `val`, `calibration`; parts may lack.
        rows: by part, n rows with `slice_id`, `label`, `patient_id`, `group` and `content_hash`.
        folder: where the engine's folder lies.
        dataset: whose slices they are.
    """
    digest = engine.facts.sha256["model.bin"]
    if "calibration" in answers:
        table = answers_table(engine, answers["calibration"], rows["calibration"])
        found = fit_calibration(read_predictions(table), dataset=dataset, model_sha256=digest)
        if found is not None:
            atomic_write_text(folder / CALIBRATION_FILE, found.model_dump_json(indent=2))
    # Without calibration patients the validation's tell what is far: they only chose the epoch.
    part = "calibration" if "calibration" in answers else "val"
    if {"train", part} <= set(answers):
        asked = _with_lung(engine, answers[part], rows[part])
        reference = fit_reference(
            answers["train"].pooled,
            rows["train"],
            answers[part].pooled[asked],
            rows[part][asked],
            dataset=dataset,
            part=part,
            model_sha256=digest,
        )
        if reference is not None:
            reference.save(folder / REFERENCE_FILE)


def _with_lung(engine: Engine, answers: Answers, rows: pd.DataFrame) -> np.ndarray:
    """Return which slices (n,) a distance is asked of: neither labelled nor called non-informative."""
    called = np.array(engine.classes)[answers.logits.argmax(axis=1)]
    return np.asarray((rows["label"] != NON_INFORMATIVE).to_numpy() & (called != NON_INFORMATIVE))


def fit_calibration(predictions: Predictions, *, dataset: str, model_sha256: str) -> Calibration | None:
    """Fit a run's calibration; None where there are fewer than five groups, or one class alone.

    Args:
        predictions: of the calibration part, with logits.
        dataset: whose slices they are.
        model_sha256: digest of the engine's weights.
    """
    logits = predictions.logits()
    if logits is None or predictions.n_groups < MIN_GROUPS or len(np.unique(predictions.y_true)) < 2:
        return None
    temperature = fit_temperature(logits, predictions.y_true, groups=predictions.groups)
    probabilities = softmax(logits / temperature).astype(float)
    conformal, reason = fit_conformal(
        probabilities, predictions.y_true, predictions.groups, predictions.labels, unit=predictions.unit
    )
    return Calibration(
        model_sha256=model_sha256,
        basis=Basis(
            dataset=dataset,
            part="calibration",
            slices=len(predictions),
            groups=predictions.n_groups,
            unit=predictions.unit,
        ),
        temperature=temperature,
        operating_point=_operating_point(predictions, probabilities),
        conformal=conformal,
        conformal_reason=reason,
    )


def fit_temperature(logits: np.ndarray, y_true: np.ndarray, *, groups: np.ndarray) -> float:
    """Return the temperature with the lowest log loss (Guo et al., ICML 2017), every group weighing the same.

    Args:
        logits: (n, c).
        y_true: (n,) place of the reference label.
        groups: (n,) integer code of each slice's patient.
    """
    weights = group_weights(groups)
    rows = np.arange(len(y_true))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_likelihood = scaled[rows, y_true] - np.log(np.exp(scaled).sum(axis=1))
        return -float(weights @ log_likelihood)

    bounds = (np.log(SHARPEST), np.log(FLATTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def group_weights(groups: np.ndarray) -> np.ndarray:
    """Return (n,) weights that sum to 1, each group's to the same.

    >>> group_weights(np.array([0, 0, 1])).tolist()
    [0.25, 0.25, 0.5]
    """
    sizes = group_sums(np.ones(len(groups)), groups, int(groups.max()) + 1)
    return np.asarray(1 / (sizes[groups] * np.count_nonzero(sizes)))


def _operating_point(predictions: Predictions, probabilities: np.ndarray) -> OperatingPoint | None:
    """Return the highest threshold that finds SENSITIVITY of the class that a clinician asks about first."""
    if "positive" not in predictions.labels:
        return None
    place = predictions.labels.index("positive")
    scores, is_class = probabilities[:, place], predictions.y_true == place
    sides = [len(np.unique(predictions.groups[side])) for side in (is_class, ~is_class)]
    if min(sides) < MIN_GROUPS:
        return None
    ranked = np.sort(scores[is_class])[::-1]
    threshold = float(ranked[int(np.ceil(SENSITIVITY * len(ranked) - 1e-9)) - 1])
    return OperatingPoint(
        label="positive",
        threshold=threshold,
        target=SENSITIVITY,
        sensitivity=float((scores[is_class] >= threshold).mean()),
        specificity=float((scores[~is_class] < threshold).mean()),
    )
