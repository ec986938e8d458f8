"""Evaluation: resampling patients, beside scikit-learn's metrics called once a resample."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from pipeline.evaluation.figures import compute_figures
from pipeline.evaluation.intervals import draw_resamples
from pipeline.evaluation.predictions import Predictions, read_predictions
from tests.evaluation.tables import make_table

RESAMPLES = 1000
PEER_RESAMPLES = 25  # the peer is timed on so many and scaled up: its cost is the same for each


def run() -> list[dict[str, Any]]:
    """Time all headline figures with intervals on 10,000 slices of 100 patients."""
    predictions = read_predictions(make_table(patients=100, slices=100))
    figures, ours = _timed(lambda: compute_figures(predictions, n_resamples=RESAMPLES))
    samples, theirs = _timed(lambda: _scikit_learn(predictions, PEER_RESAMPLES))
    theirs *= RESAMPLES / PEER_RESAMPLES
    if abs(samples[:, 0].mean() - figures.accuracy.value) > 0.05:
        raise RuntimeError("The two do not compute the same figure.")
    alone = read_predictions(make_table(patients=100, slices=100).assign(patient_id=None, group=None))
    _, each_slice = _timed(lambda: compute_figures(alone, n_resamples=RESAMPLES))
    return [
        {
            "figure": "evaluate 10,000 slices, 1,000 resamples of 100 patients",
            "value": ours,
            "unit": "s",
            "peer": f"scikit-learn in a loop: {theirs:.1f} s",
            "ratio": theirs / ours,
        },
        {
            "figure": "the same, patients unknown: 10,000 groups",
            "value": each_slice,
            "unit": "s",
            "peer": f"scikit-learn in a loop: {theirs:.1f} s",
            "ratio": theirs / each_slice,
        },
    ]


def _timed(work: Any) -> tuple[Any, float]:
    work()
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def _scikit_learn(predictions: Predictions, n_resamples: int) -> np.ndarray:
    """The same figures from scikit-learn, with weights in place of repeated rows: its quicker way."""
    drawn = draw_resamples(predictions.groups, n_resamples=n_resamples)
    rows = []
    for weights in drawn.weights:
        weight = weights[predictions.groups]
        table = confusion_matrix(predictions.y_true, predictions.y_pred, sample_weight=weight)
        scores = precision_recall_fscore_support(
            predictions.y_true, predictions.y_pred, sample_weight=weight, zero_division=0
        )
        aucs = [
            roc_auc_score(predictions.y_true == c, predictions.probabilities[:, c], sample_weight=weight)
            for c in range(len(predictions.labels))
        ]
        rows.append([np.trace(table) / table.sum(), *np.ravel(scores[:3]), *aucs])
    return np.array(rows)
