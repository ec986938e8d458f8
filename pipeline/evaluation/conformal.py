"""Conformal sets: classes that cannot be excluded, with a stated coverage of each class; fitted and checked.

The score of a class is one minus its probability (LAC: Sadinle, Lei and Wasserman, JASA 2019, 114:223), its
quantile is taken over the calibration slices of that class alone (Mondrian), and patients, not slices, are
what is exchangeable: every patient weighs the same, and a patient not seen yet as one that fits nothing
(Lee, Barber and Willett, hierarchical conformal prediction, 2023). With one slice a patient this is the
usual rule, the ceil((n + 1)(1 - alpha))-th smallest of n scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.intervals import Resamples, estimate
from pipeline.evaluation.predictions import Predictions
from pipeline.inference.calibrated import Basis, ConformalSets

ALPHA = 0.10
LEAST_CLASSES = 2  # a set that can hold one class alone says nothing


def conformal_quantile(scores: np.ndarray, groups: np.ndarray, *, alpha: float = ALPHA) -> float:
    """Return what a new group's score exceeds with probability `alpha` at most; inf for too few groups.

    Args:
        scores: (n,), high where the reference label fits badly.
        groups: (n,) codes of their groups.

    >>> scores = np.arange(1, 20) / 20
    >>> float(conformal_quantile(scores, np.arange(19), alpha=0.1))  # ceil(20 * 0.9) = 18th of 19
    0.9
    """
    if not len(scores):
        return float("inf")
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / (sizes[place] * (len(sizes) + 1))
    order = np.argsort(scores, kind="stable")
    reached = np.flatnonzero(np.cumsum(weights[order]) >= 1 - alpha - 1e-12)
    return float(scores[order[reached[0]]]) if len(reached) else float("inf")


def groups_needed(alpha: float = ALPHA) -> int:
    """Return how many groups a finite quantile takes.

    >>> groups_needed(0.1), groups_needed(0.05)
    (9, 19)
    """
    return int(np.ceil(1 / alpha - 1e-9)) - 1


def fit_conformal(
    probabilities: np.ndarray,
    y_true: np.ndarray,
    groups: np.ndarray,
    labels: Sequence[str],
    *,
    unit: str = "patient",
    alpha: float = ALPHA,
) -> tuple[ConformalSets | None, str]:
    """Fit a threshold for each class that has enough groups.

    Args:
        probabilities: (n, k) calibrated.
        y_true: (n,) place of the reference label in `labels`.
        groups: (n,) codes of the groups.
        unit: what a group is called.

    Returns:
        The sets, or None and the reason.
    """
    counts, floors = {}, {}
    for place, label in enumerate(labels):
        rows = y_true == place
        counts[label] = len(np.unique(groups[rows]))
        score = conformal_quantile(1 - probabilities[rows, place], groups[rows], alpha=alpha)
        if np.isfinite(score):
            # The margin is for the rounding of 1 - (1 - p) and of float32: a class on its floor is in.
            floors[label] = float(1 - score) - 1e-6
    if len(floors) < LEAST_CLASSES:
        few = ", ".join(f"{label} {count}" for label, count in counts.items())
        return None, (
            f"at least two classes need {groups_needed(alpha)} calibration {unit}s each for sets that hold "
            f"the right class {1 - alpha:.0%} of the time; there are {few}."
        )
    return ConformalSets(alpha=alpha, floors=floors, groups=counts), ""


@dataclass(frozen=True)
class Coverage:
    """How often the sets held the right class, on slices that they were not fitted on.

    Attributes:
        alpha: as fitted: `1 - alpha` was promised.
        basis: what they were fitted on.
        by_class: share of the class's slices whose set holds it, every group weighing the same.
        decided: share of slices with one class alone in the set; the model abstains from the others.
        accuracy_decided: how often that one class is right.
        left_out: classes that the sets say nothing about.
    """

    alpha: float
    basis: Basis
    by_class: dict[str, Estimate]
    decided: Estimate
    accuracy_decided: Estimate
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `evaluate --json` prints them."""
        return {
            "promised": 1 - self.alpha,
            "fitted_on": self.basis.model_dump(),
            "coverage": {label: found.to_json() for label, found in self.by_class.items()},
            "decided": self.decided.to_json(),
            "accuracy_decided": self.accuracy_decided.to_json(),
            "left_out": list(self.left_out),
        }


def measure_coverage(
    predictions: Predictions, sets: ConformalSets, basis: Basis, resamples: Resamples
) -> Coverage:
    """Check the sets on predictions with calibrated probabilities."""
    covered = [label for label in predictions.labels if label in sets.floors]
    inside = np.zeros((len(predictions), len(predictions.labels)), bool)
    for label in covered:
        place = predictions.labels.index(label)
        inside[:, place] = predictions.probabilities[:, place] >= sets.floors[label]
    of_class = {label: predictions.y_true == predictions.labels.index(label) for label in covered}
    held = inside[np.arange(len(predictions)), predictions.y_true]
    answered = np.isin(predictions.y_pred, [predictions.labels.index(label) for label in covered])
    decided = answered & (inside.sum(axis=1) == 1)
    right = decided & held
    return Coverage(
        alpha=sets.alpha,
        basis=basis,
        by_class={
            label: _share(held, rows, predictions, resamples, even=True) for label, rows in of_class.items()
        },
        decided=_share(decided, np.ones(len(decided), bool), predictions, resamples),
        accuracy_decided=_share(right, decided, predictions, resamples),
        left_out=tuple(label for label in predictions.labels if label not in sets.floors),
    )


def _share(
    hit: np.ndarray,
    rows: np.ndarray,
    predictions: Predictions,
    resamples: Resamples,
    *,
    even: bool = False,
) -> Estimate:
    """Return the share of `rows` that are hit, with `even` the mean over groups of each group's share."""
    weights = rows.astype(float)
    if even and rows.any():
        weights /= np.maximum(np.bincount(predictions.groups, weights=rows)[predictions.groups], 1)
    both = np.stack([weights * hit, weights], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total, drawn = both.sum(axis=0), resamples.sums(both)
        value, samples = total[0] / total[1], drawn[:, 0] / drawn[:, 1]
    groups = resamples.count_groups(rows)
    return estimate(float(value), samples, groups=groups, unit=predictions.unit)
