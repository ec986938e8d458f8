"""What figures mean at the bedside: predictive values at a prevalence, and whether acting on a model pays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.evaluation.calling import Calling
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.intervals import (
    MIN_GROUPS,
    Resamples,
    estimate,
    near_bound,
    percentile_interval,
)
from pipeline.evaluation.predictions import Predictions

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


@dataclass(frozen=True)
class PredictiveValues:
    """What a call is worth where the disease has this prevalence.

    Attributes:
        prevalence: share with the disease, in (0, 1), of what the calls count: slices or patients.
        ppv: the share of those called that have it.
        npv: the share of those not called that have it not.
    """

    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of acting on the model at each threshold probability, beside acting on all or on none.

    Net benefit is in true positives per slice: hits / n - alarms / n * t / (1 - t) (Vickers and Elkin,
    Medical Decision Making 2006, 26:565). All arrays are (m,); acting on none is worth 0.
    """

    label: str
    thresholds: np.ndarray
    model: np.ndarray
    low: np.ndarray
    high: np.ndarray
    treat_all: np.ndarray
    prevalence: float


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return PPV and NPV by Bayes' rule.

    >>> [round(value, 4) for value in predictive_values(0.9, 0.95, 0.1)]
    [0.6667, 0.9884]
    """
    ppv, npv = _bayes(sensitivity, specificity, prevalence)
    return float(ppv), float(npv)


def predictive_values_of(calling: Calling, prevalence: float, *, unit: str = "patient") -> PredictiveValues:
    """Compute PPV and NPV of calls at a stated prevalence.

    Where hardly a resample has a false alarm (or a miss), PPV's (NPV's) lower bound comes from the lower
    bound of specificity (sensitivity): at a low prevalence it is far below 1 though every call was right.

    `unit` is what a group is called in a reason.
    """
    rates, (found, cleared) = (calling.sensitivity, calling.specificity), calling.drawn
    known = [math.nan if rate.value is None else rate.value for rate in rates]
    results = []
    for index, weak in ((0, 1), (1, 0)):  # PPV hangs on specificity, NPV on sensitivity
        value = float(_bayes(known[0], known[1], prevalence)[index])
        samples = _bayes(found, cleared, prevalence)[index]
        result = estimate(value, samples, groups=calling.carriers, unit=unit, bounded=False)
        cautious = [rate if place != weak else rates[weak].low for place, rate in enumerate(known)]
        if result.low is not None and near_bound(known[weak], calling.carriers):
            low = float(_bayes(cautious[0], cautious[1], prevalence)[index])
            result = replace(result, low=min(result.low, low))
        results.append(result)
    return PredictiveValues(prevalence, *rates, *results)


def treat_all_benefit(prevalence: float, thresholds: np.ndarray) -> np.ndarray:
    """Return the net benefit of acting on everyone.

    >>> treat_all_benefit(0.14, np.array([0.10, 0.15, 0.20])).round(6)
    array([ 0.044444, -0.011765, -0.075   ])
    """
    odds = thresholds / (1 - thresholds)
    return prevalence - (1 - prevalence) * odds


def decision_curve(
    predictions: Predictions, label: str, resamples: Resamples, *, thresholds: np.ndarray = THRESHOLDS
) -> DecisionCurve:
    """Compute the net benefit of acting where the probability of `label` reaches each threshold.

    The prevalence is that of the table. The curve presumes calibrated probabilities.
    """
    place = predictions.labels.index(label)
    truth = predictions.y_true == place
    called = predictions.probabilities[:, place, None] >= thresholds
    odds = thresholds / (1 - thresholds)
    per_row = np.where(truth[:, None], called, -odds * called).astype(np.float32)
    drawn = resamples.sums(np.column_stack([per_row, np.ones(len(truth))]))
    groups = min(resamples.count_groups(truth), resamples.count_groups(~truth))
    samples = drawn[:, :-1] / drawn[:, -1:]
    if groups < MIN_GROUPS:
        low = high = np.full(len(thresholds), np.nan)
    else:
        bounds = [percentile_interval(column, groups=groups) for column in samples.T]
        low, high = np.array(bounds).T
    prevalence = float(truth.mean())
    return DecisionCurve(
        label, thresholds, per_row.mean(0), low, high, treat_all_benefit(prevalence, thresholds), prevalence
    )


def _bayes(sensitivity: Any, specificity: Any, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return PPV and NPV of rates of any shape; NaN where nothing is called so."""
    sensitivity, specificity = np.asarray(sensitivity, float), np.asarray(specificity, float)
    found, alarms = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    missed, cleared = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        return found / (found + alarms), cleared / (cleared + missed)
