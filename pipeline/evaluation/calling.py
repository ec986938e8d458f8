"""How often a class is found and cleared: by each rule that calls it, counted by slice and by patient.

A clinician asks about patients; figures of slices do not answer that. A patient has a class who has a slice
of it. What calls a slice is its highest probability, or a probability from the operating point on, as Predict
does; what calls a patient is any slice so called, or the rule by which Predict answers a whole series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.intervals import Resamples, estimate
from pipeline.evaluation.predictions import Predictions
from pipeline.inference.calibrated import OperatingPoint

HIGHEST = "its probability is the highest"
ANY_SLICE = "any slice's probability of it is the highest"
SERIES = "of all slices' mean probabilities its own is the highest, as Predict answers a series"


@dataclass(frozen=True)
class Calling:
    """How well one rule calls a class.

    Attributes:
        label: the class that is called, or not.
        rule: when it is called.
        unit: what is counted, `slice` or `patient`.
        sensitivity, specificity: with intervals over patients (or groups of alike slices).
        drawn: both in every resample, two of (B,).
        n_with, n_without: how many slices or patients have the class, and have not.
        carriers: patients (or groups) with and without it, the fewer.
    """

    label: str
    rule: str
    unit: str
    sensitivity: Estimate
    specificity: Estimate
    drawn: tuple[np.ndarray, np.ndarray]
    n_with: int
    n_without: int
    carriers: int

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints of it."""
        return {
            "called_where": self.rule,
            "counted_by": self.unit,
            "sensitivity": self.sensitivity.to_json() | {"n": self.n_with},
            "specificity": self.specificity.to_json() | {"n": self.n_without},
        }


def find_callings(
    predictions: Predictions, label: str, resamples: Resamples, *, point: OperatingPoint | None = None
) -> tuple[Calling, ...]:
    """Return how well `label` is called: by slice, and by patient where every slice's patient is known.

    `point` adds the calls from the operating point on; it must be this class's.
    """
    place = predictions.labels.index(label)
    calls = {HIGHEST: (ANY_SLICE, predictions.y_pred == place)}
    if point is not None and point.label == label:
        reached = f"probability of it is at least {point.threshold:.2f}, the operating point"
        calls[f"its {reached}"] = (f"any slice's {reached}", _reaches(predictions, place, point))
    truth = predictions.y_true == place
    found = [
        _calling(predictions, resamples, label, rule, truth, called) for rule, (_, called) in calls.items()
    ]
    if predictions.patients_known:
        rows = _PatientRows(predictions, resamples)
        ill = rows.any(truth)
        for rule, called in calls.values():
            found.append(rows.calling(label, rule, ill, rows.any(called)))
        if label != NON_INFORMATIVE:
            found.append(rows.calling(label, SERIES, ill, _series_calls(predictions, place, rows)))
    return tuple(found)


def _reaches(predictions: Predictions, place: int, point: OperatingPoint) -> np.ndarray:
    return np.asarray(predictions.probabilities[:, place] >= point.threshold)


class _PatientRows:
    """One row a patient, in the resamples of the slices."""

    def __init__(self, predictions: Predictions, resamples: Resamples) -> None:
        self.codes, names = pd.factorize(predictions.table["patient_id"])
        self.count = len(names)
        groups = np.zeros(self.count, np.int64)
        groups[self.codes] = predictions.groups  # a group holds patients whole
        self.predictions = predictions
        self.resamples = Resamples(groups, resamples.weights, resamples.unit)

    def any(self, rows: np.ndarray) -> np.ndarray:
        """Return (patients,) whether one of the patient's slices is among the (n,) boolean `rows`."""
        return np.bincount(self.codes, rows, self.count) > 0

    def calling(self, label: str, rule: str, truth: np.ndarray, called: np.ndarray) -> Calling:
        """Return how well patients are called."""
        return _calling(self.predictions, self.resamples, label, rule, truth, called, unit="patient")


def _series_calls(predictions: Predictions, place: int, rows: _PatientRows) -> np.ndarray:
    """Return (patients,) whether the class's mean probability is the highest but for non-informative's.

    Refused slices and those answered non-informative do not count; a patient without another is not called.
    """
    counts = ~predictions.rejected
    kept = [index for index, name in enumerate(predictions.labels) if name != NON_INFORMATIVE]
    if len(kept) < len(predictions.labels):
        counts = counts & (predictions.y_pred != predictions.labels.index(NON_INFORMATIVE))
    sums = np.stack(
        [np.bincount(rows.codes, predictions.probabilities[:, index] * counts, rows.count) for index in kept],
        axis=1,
    )
    return rows.any(counts) & (np.array(kept)[sums.argmax(axis=1)] == place)


def _calling(
    predictions: Predictions,
    resamples: Resamples,
    label: str,
    rule: str,
    truth: np.ndarray,
    called: np.ndarray,
    *,
    unit: str = "slice",
) -> Calling:
    rates = [_share(called, truth, resamples), _share(~called, ~truth, resamples)]
    carriers = [resamples.count_groups(truth), resamples.count_groups(~truth)]
    estimates = [
        estimate(value, samples, groups=groups, unit=predictions.unit)
        for (value, samples), groups in zip(rates, carriers, strict=True)
    ]
    return Calling(
        label=label,
        rule=rule,
        unit=unit,
        sensitivity=estimates[0],
        specificity=estimates[1],
        drawn=(rates[0][1], rates[1][1]),
        n_with=int(truth.sum()),
        n_without=int((~truth).sum()),
        carriers=min(carriers),
    )


def _share(hit: np.ndarray, rows: np.ndarray, resamples: Resamples) -> tuple[float, np.ndarray]:
    """Return the share of `rows` that are hit, and in every resample."""
    both = np.stack([rows & hit, rows], axis=1)
    total, drawn = both.sum(axis=0), resamples.sums(both)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(total[0] / total[1]), drawn[:, 0] / drawn[:, 1]
