"""ROC and precision-recall curves of one class against the others, with pointwise bands over groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation import metrics
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.intervals import Resamples, estimate, percentile_band
from pipeline.evaluation.predictions import Predictions

GRID = np.linspace(0, 1, 101)
THRESHOLDS = 400
"""Bands are resampled at so many quantiles of the scores; the curves themselves use every score."""


@dataclass(frozen=True)
class Curve:
    """A curve of one class with a pointwise 95 % band.

    Attributes:
        label: the class against all others.
        x, y: the curve's own points, (m,): false-positive rate and sensitivity, or recall and precision.
        thresholds: (m,) the score from which on a slice is called; infinite at the first point.
        grid, low, high: (101,) where the band is given; NaN where the groups are too few for one.
        area: AUC, or average precision.
        baseline: what chance reaches: the share of the class, for precision; 0.5 for the AUC.
        n: slices of the class.
        groups: groups that carry the area.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray
    grid: np.ndarray
    low: np.ndarray
    high: np.ndarray
    area: Estimate
    baseline: float
    n: int
    groups: int


class CurveUndefinedError(ValueError):
    """A curve needs slices of the class and of others."""


def roc_curve(predictions: Predictions, label: str, resamples: Resamples) -> Curve:
    """Return the ROC curve of `label` against the other classes.

    Raises:
        CurveUndefinedError: no slice of the class, or no other.
    """
    scores, positive = _one_against_rest(predictions, label)
    thresholds, hits, alarms = _running_counts(scores, positive)
    fpr, tpr = alarms / alarms[-1], hits / hits[-1]
    corner = _corners(fpr, tpr)
    drawn_hits, drawn_alarms = _sampled_counts(scores, positive, resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr_samples, fpr_samples = drawn_hits / drawn_hits[:, -1:], drawn_alarms / drawn_alarms[:, -1:]
    samples = np.stack([np.interp(GRID, f, t) for f, t in zip(fpr_samples, tpr_samples, strict=True)])
    carriers = min(resamples.count_groups(positive), resamples.count_groups(~positive))
    low, high = percentile_band(np.interp(GRID, fpr, tpr), samples, groups=carriers)
    # Sensitivity never falls to the right: what bounds it here bounds it there too.
    low, high = np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]
    area = estimate(
        metrics.auc(scores, positive),
        metrics.auc_samples(scores, positive, resamples),
        groups=carriers,
        unit=predictions.unit,
    )
    return Curve(
        label, fpr[corner], tpr[corner], thresholds[corner], GRID, low, high, area, 0.5,
        int(positive.sum()), carriers,
    )  # fmt: skip


def precision_recall_curve(predictions: Predictions, label: str, resamples: Resamples) -> Curve:
    """Return the precision-recall curve of `label`, its area being the average precision.

    The interval of the average precision is resampled at 400 thresholds, and moved by the difference that
    this makes on all slices.

    Raises:
        CurveUndefinedError: no slice of the class, or no other.
    """
    scores, positive = _one_against_rest(predictions, label)
    thresholds, hits, alarms = _running_counts(scores, positive)
    recall = hits / hits[-1]
    precision = np.append(1.0, hits[1:] / (hits + alarms)[1:])
    drawn_hits, drawn_alarms = _sampled_counts(scores, positive, resamples)
    samples, areas = _sampled_precision(drawn_hits, drawn_alarms)
    carriers = min(resamples.count_groups(positive), resamples.count_groups(~positive))
    value = metrics.average_precision(scores, positive)
    coarse_hits, coarse_alarms = _coarse_counts(scores, positive)
    coarse_curve, coarse = _sampled_precision(coarse_hits[None], coarse_alarms[None])
    low, high = percentile_band(coarse_curve[0], samples, groups=carriers)
    return Curve(
        label, recall, precision, thresholds, GRID, low, high,
        estimate(value, np.clip(areas + value - coarse[0], 0, 1), groups=carriers, unit=predictions.unit),
        float(positive.mean()), int(positive.sum()), carriers,
    )  # fmt: skip


def _one_against_rest(predictions: Predictions, label: str) -> tuple[np.ndarray, np.ndarray]:
    place = predictions.labels.index(label)
    positive = predictions.y_true == place
    if not positive.any() or positive.all():
        raise CurveUndefinedError(
            f"every slice is of class {label}" if positive.any() else f"no slice of class {label}"
        )
    return predictions.probabilities[:, place], positive


def _running_counts(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return thresholds from above and, at each, the rows called: of the class and of others, (m + 1,)."""
    negated, block = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(block, positive, len(negated)))
    alarms = np.cumsum(np.bincount(block, ~positive, len(negated)))
    return np.append(np.inf, -negated), np.append(0.0, hits), np.append(0.0, alarms)


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which points of a staircase are needed to draw it: ends, and where its direction changes."""
    straight = np.diff(x[:-1]) * np.diff(y[1:]) == np.diff(x[1:]) * np.diff(y[:-1])
    return np.concatenate([[True], ~straight, [True]])


def _levels(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most THRESHOLDS values of the scores from above, and which of them first calls each row."""
    values = np.unique(scores)
    if len(values) > THRESHOLDS:
        values = np.unique(np.quantile(values, np.linspace(0, 1, THRESHOLDS), method="lower"))
    return values[::-1], len(values) - np.searchsorted(values, scores, "right")


def _coarse_counts(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows called at each level, of the class and of others, two of (levels + 1,)."""
    levels, place = _levels(scores)
    counts = [np.bincount(place, kind, len(levels)) for kind in (positive, ~positive)]
    return np.append(0, np.cumsum(counts[0])), np.append(0, np.cumsum(counts[1]))


def _sampled_counts(
    scores: np.ndarray, positive: np.ndarray, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows called at each level in every resample, two of (B, levels + 1)."""
    levels, place = _levels(scores)
    counts = []
    for kind in (positive, ~positive):
        cell = resamples.groups[kind] * len(levels) + place[kind]
        per_group = np.bincount(cell, minlength=resamples.n_groups * len(levels))
        drawn = resamples.weights @ per_group.reshape(resamples.n_groups, -1).astype(np.float32)
        counts.append(np.cumsum(np.pad(drawn, ((0, 0), (1, 0))), axis=1))
    return counts[0], counts[1]


def _sampled_precision(hits: np.ndarray, alarms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision on the grid of recall, (B, 101), and the area by steps, (B,).

    Precision at a recall is that of the first threshold that reaches it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / hits[:, -1:]
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 1.0)
    area = (precision * np.diff(recall, axis=1, prepend=0)).sum(1)
    on_grid = np.stack(
        [
            p[np.minimum(np.searchsorted(r, GRID, "left"), len(r) - 1)]
            for r, p in zip(recall, precision, strict=True)
        ]
    )
    return np.where(np.isfinite(area)[:, None], on_grid, np.nan), area
