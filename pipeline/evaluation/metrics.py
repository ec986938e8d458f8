"""Figures of a classifier, each on all rows and, by the same lines, in every resample at once.

Functions of a confusion table take (..., k, k) counts, reference in rows, prediction in columns; what is not
defined is NaN. A resample of whole groups changes the counts only, so two thousand tables cost one matrix
product.
"""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.intervals import Resamples

PAIRS_LIMIT = 1024
"""Up to so many groups the AUC is resampled through counts of ordered pairs of groups (G x G)."""


def one_hot_confusion(y_true: np.ndarray, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Return each row's own confusion table, (n, k, k): one 1 at (reference, prediction)."""
    cells = np.zeros((len(y_true), n_classes, n_classes), np.float32)
    cells[np.arange(len(y_true)), y_true, y_pred] = 1
    return cells


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Return the share of rows predicted rightly."""
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Return sensitivity by class, (..., k): of the class's rows, the share that was found."""
    return _ratio(_diagonal(confusion), confusion.sum(-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Return precision by class, (..., k): of the rows called so, the share that is so."""
    return _ratio(_diagonal(confusion), confusion.sum(-2))


def specificity(confusion: np.ndarray) -> np.ndarray:
    """Return specificity by class, (..., k): of the other classes' rows, the share not called so."""
    others = confusion.sum((-2, -1))[..., None] - confusion.sum(-1)
    return _ratio(others - (confusion.sum(-2) - _diagonal(confusion)), others)


def f1(confusion: np.ndarray) -> np.ndarray:
    """Return F1 by class, (..., k); not defined where the class has no row."""
    rows = confusion.sum(-1)
    values = _ratio(2 * _diagonal(confusion), rows + confusion.sum(-2))
    return np.where(rows > 0, values, np.nan)


def macro(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the mean over the classes that are `present`, (..., k) -> (...)."""
    if not present.any():
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values[..., present].mean(-1))


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the area under the ROC curve: how often a positive row outscores another, ties counting half.

    Args:
        scores: (n,) higher means more positive.
        positive: (n,) boolean.
        weights: (n,) counts of each row; one each where None.

    NaN where one of the two kinds is missing.
    """
    weight = np.ones(len(scores)) if weights is None else np.asarray(weights, float)
    _, block = np.unique(scores, return_inverse=True)
    with_it = np.bincount(block, weight * positive)
    without = np.bincount(block, weight * ~positive)
    pairs = with_it.sum() * without.sum()
    return float((with_it * (np.cumsum(without) - without / 2)).sum() / pairs) if pairs else float("nan")


def auc_samples(scores: np.ndarray, positive: np.ndarray, resamples: Resamples) -> np.ndarray:
    """Return the AUC in every resample, (B,), exactly; NaN where a resample lacks one of the two kinds."""
    if resamples.n_groups <= PAIRS_LIMIT:
        return _auc_by_pairs(scores, positive, resamples)
    return _auc_by_rows(scores, positive, resamples)


def _auc_by_pairs(scores: np.ndarray, positive: np.ndarray, resamples: Resamples) -> np.ndarray:
    """AUC of a resample as a quadratic form w' M w / (w'p)(w'q), M[g, h] the pairs of groups in order."""
    groups, n_groups, weights = resamples.groups, resamples.n_groups, resamples.weights
    order = np.argsort(scores[positive])
    above, above_group = scores[positive][order], groups[positive][order]
    others, others_group = scores[~positive], groups[~positive]
    pairs = np.zeros((n_groups, n_groups))
    for group in np.unique(others_group):
        below = np.sort(others[others_group == group])
        beaten = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
        pairs[:, group] = np.bincount(above_group, beaten / 2, n_groups)
    # Single precision holds weights exactly and pair counts to 1e-7 of their size.
    won = ((weights @ pairs.astype(np.float32)) * weights).sum(1, dtype=float)
    with_it = weights @ np.bincount(above_group, minlength=n_groups)
    without = weights @ np.bincount(others_group, minlength=n_groups)
    return _ratio(won, with_it * without)


def _auc_by_rows(scores: np.ndarray, positive: np.ndarray, resamples: Resamples) -> np.ndarray:
    """AUC of a resample by running counts along the sorted scores; memory stays bounded."""
    order = np.argsort(-scores)
    kind, group = positive[order].astype(np.float32), resamples.groups[order]
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    rows = max(1, 4_000_000 // max(1, len(scores)))
    out = np.empty(len(resamples.weights))
    for start in range(0, len(out), rows):
        drawn = resamples.weights[start : start + rows, group]
        hits = np.cumsum(drawn * kind, axis=1)[:, ends]
        alarms = np.cumsum(drawn * (1 - kind), axis=1)[:, ends]
        new_hits, new_alarms = np.diff(hits, axis=1, prepend=0), np.diff(alarms, axis=1, prepend=0)
        area = ((hits - new_hits / 2) * new_alarms).sum(1, dtype=float)
        out[start : start + rows] = _ratio(area, hits[:, -1].astype(float) * alarms[:, -1])
    return out


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the precision-recall curve by steps; NaN without a positive row."""
    if not positive.any():
        return float("nan")
    ordered, block = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(block, positive, len(ordered)))
    called = np.cumsum(np.bincount(block, minlength=len(ordered)))
    return float((hits / called * np.diff(hits, prepend=0)).sum() / hits[-1])


def _diagonal(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
