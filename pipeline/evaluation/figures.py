"""Every headline figure of one set of slices, with intervals: the whole table, a subgroup, a gated part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation import metrics
from pipeline.evaluation.estimates import Estimate, unknown
from pipeline.evaluation.intervals import RESAMPLES, Resamples, draw_resamples, estimate
from pipeline.evaluation.predictions import Predictions


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class against the others; `n` slices and `groups` of it in the reference."""

    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    auc: Estimate
    n: int
    groups: int


@dataclass(frozen=True)
class Figures:
    """How good the predictions of one set of slices are.

    `confusion` is (k, k) counts, reference in rows. `labels` are all k classes; those without a slice are in
    `absent` and out of every mean over classes.
    """

    labels: tuple[str, ...]
    absent: tuple[str, ...]
    n: int
    patients: int
    groups: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    macro_auc: Estimate
    per_class: dict[str, ClassFigures]
    confusion: np.ndarray

    def to_json(self, *, drop_absent: bool = False) -> dict[str, Any]:
        """Return the figures as the command line prints them.

        `drop_absent` leaves out the classes without a slice instead of giving nulls with a reason.
        """
        shown = [label for label in self.labels if not (drop_absent and label in self.absent)]
        return {
            "n": self.n,
            "patients": self.patients,
            "groups": self.groups,
            "accuracy": self.accuracy.to_json(),
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "macro_f1": self.macro_f1.to_json(),
            "macro_auc": self.macro_auc.to_json(),
            "auc": {label: self.per_class[label].auc.to_json() for label in shown},
            "per_class": {label: _class_json(self.per_class[label]) for label in shown},
        }


def compute_figures(
    predictions: Predictions,
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    resamples: Resamples | None = None,
) -> Figures:
    """Compute the figures of `predictions` with intervals over its groups.

    `resamples` may be given where several figures share the draws; it must be of the same rows.
    """
    if resamples is None:
        resamples = draw_resamples(
            predictions.groups, n_resamples=n_resamples, seed=seed, unit=predictions.unit
        )
    sampled = sample_figures(predictions, resamples)
    present = sampled.confusion.sum(1) > 0
    everyone = resamples.n_groups
    return Figures(
        labels=predictions.labels,
        absent=tuple(label for label, here in zip(predictions.labels, present, strict=True) if not here),
        n=len(predictions),
        patients=predictions.patients,
        groups=everyone,
        accuracy=estimate(*sampled.accuracy, groups=everyone, unit=predictions.unit),
        balanced_accuracy=_macro_estimate(sampled, "recall"),
        macro_f1=_macro_estimate(sampled, "f1"),
        macro_auc=_macro_estimate(sampled, "auc"),
        per_class={label: _class_figures(sampled, place) for place, label in enumerate(predictions.labels)},
        confusion=sampled.confusion.astype(int),
    )


@dataclass(frozen=True)
class SampledFigures:
    """Figures by class on all rows, (k,), and in every resample, (B, k); comparisons subtract these.

    `by_class` has precision, recall, specificity, f1 and auc.
    """

    predictions: Predictions
    resamples: Resamples
    confusion: np.ndarray
    accuracy: tuple[float, np.ndarray]
    by_class: dict[str, tuple[np.ndarray, np.ndarray]]

    def macro(self, name: str) -> tuple[float, np.ndarray]:
        """Return the mean of a figure over the classes that are present, and in every resample."""
        present = self.confusion.sum(1) > 0
        values, samples = self.by_class[name]
        return float(metrics.macro(values, present)), metrics.macro(samples, present)

    def carriers(self, name: str, place: int) -> int:
        """Return how many groups carry a figure of a class: those with a row in its denominator."""
        is_class, called = self.predictions.y_true == place, self.predictions.y_pred == place
        count = self.resamples.count_groups
        if name == "auc":
            return min(count(is_class), count(~is_class))
        rows = {"recall": is_class, "f1": is_class, "precision": called, "specificity": ~is_class}
        return count(rows[name])

    def fewest_carriers(self, name: str) -> int:
        """Return the fewest groups that carry the figure over the classes that are present."""
        present = np.flatnonzero(self.confusion.sum(1) > 0)
        return min((self.carriers(name, int(place)) for place in present), default=0)


def sample_figures(predictions: Predictions, resamples: Resamples) -> SampledFigures:
    """Compute every figure on all rows and in every resample."""
    cells = metrics.one_hot_confusion(predictions.y_true, predictions.y_pred, len(predictions.labels))
    confusion, drawn = cells.sum(0, dtype=float), resamples.sums(cells)
    functions = {
        "precision": metrics.precision,
        "recall": metrics.recall,
        "specificity": metrics.specificity,
        "f1": metrics.f1,
    }
    by_class = {name: (function(confusion), function(drawn)) for name, function in functions.items()}
    return SampledFigures(
        predictions=predictions,
        resamples=resamples,
        confusion=confusion,
        accuracy=(float(metrics.accuracy(confusion)), metrics.accuracy(drawn)),
        by_class=by_class | {"auc": _aucs(predictions, resamples)},
    )


def _aucs(predictions: Predictions, resamples: Resamples) -> tuple[np.ndarray, np.ndarray]:
    """Return each class's one-versus-rest AUC, (k,), and in every resample, (B, k)."""
    k = len(predictions.labels)
    values, samples = np.full(k, np.nan), np.full((len(resamples.weights), k), np.nan)
    for place in range(k):
        positive = predictions.y_true == place
        if positive.any() and not positive.all():
            scores = predictions.probabilities[:, place]
            values[place] = metrics.auc(scores, positive)
            samples[:, place] = metrics.auc_samples(scores, positive, resamples)
    return values, samples


def _class_figures(sampled: SampledFigures, place: int) -> ClassFigures:
    positive = sampled.predictions.y_true == place
    estimates = {
        name: _explained(
            estimate(
                float(values[place]),
                samples[:, place],
                groups=sampled.carriers(name, place),
                unit=sampled.predictions.unit,
            ),
            name,
            sampled.predictions,
            place,
        )
        for name, (values, samples) in sampled.by_class.items()
    }
    return ClassFigures(**estimates, n=int(positive.sum()), groups=sampled.resamples.count_groups(positive))


def _macro_estimate(sampled: SampledFigures, name: str) -> Estimate:
    value, samples = sampled.macro(name)
    if not np.isfinite(value):
        return unknown("only one class is present")
    return estimate(value, samples, groups=sampled.fewest_carriers(name), unit=sampled.predictions.unit)


def _explained(found: Estimate, figure: str, predictions: Predictions, place: int) -> Estimate:
    """Replace the reason of a missing value by the one that a reader understands."""
    if found.value is not None:
        return found
    label, positive = predictions.labels[place], predictions.y_true == place
    if figure == "precision" and not (predictions.y_pred == place).any():
        return unknown(f"no slice was called {label}")
    if not positive.any():
        return unknown(f"no slice of class {label}")
    if positive.all():
        return unknown(f"every slice is of class {label}")
    return found


def _class_json(figures: ClassFigures) -> dict[str, Any]:
    names = ("precision", "recall", "specificity", "f1")
    return {name: getattr(figures, name).to_json() for name in names} | {
        "n": figures.n,
        "groups": figures.groups,
    }
