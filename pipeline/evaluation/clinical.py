"""What figures mean at the bedside: predictive values at a prevalence, and whether acting on a model pays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.figures import sample_figures
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
        prevalence: share of patients with the disease, in (0, 1).
        ppv: of 100 called positive, the share that has it.
        npv: of 100 called negative, the share that has not.
    """

    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of acting on the model at each threshold probability, beside acting on all or on none.

    Net benefit is in true positives per patient: hits / n - alarms / n * t / (1 - t) (Vickers and Elkin,
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


def predictive_values_of(
    predictions: Predictions, label: str, prevalence: float, resamples: Resamples
) -> PredictiveValues:
    """Compute PPV and NPV of calling `label`, at a stated prevalence, from the model's own calls.

    Where hardly a resample has a false alarm (or a miss), PPV's (NPV's) lower bound comes from the lower bound
    of specificity (sensitivity): at a low prevalence it is far below 1 though every call was right.
    """
    place = predictions.labels.index(label)
    sampled = sample_figures(predictions, resamples)
    rates, drawn = {}, {}
    for name in ("recall", "specificity"):
        values, samples = sampled.by_class[name]
        carriers = sampled.carriers(name, place)
        rates[name] = estimate(
            float(values[place]), samples[:, place], groups=carriers, unit=predictions.unit
        )
        drawn[name] = samples[:, place]
    groups = min(sampled.carriers(name, place) for name in rates)
    found = []
    for index, weak in enumerate(("specificity", "recall")):
        known = {name: np.nan if rate.value is None else rate.value for name, rate in rates.items()}
        value = float(_bayes(known["recall"], known["specificity"], prevalence)[index])
        samples = _bayes(drawn["recall"], drawn["specificity"], prevalence)[index]
        result = estimate(value, samples, groups=groups, unit=predictions.unit, bounded=False)
        if result.low is not None and near_bound(known[weak], groups):
            cautious = known | {weak: rates[weak].low}
            low = float(_bayes(cautious["recall"], cautious["specificity"], prevalence)[index])
            result = replace(result, low=min(result.low, low))
        found.append(result)
    return PredictiveValues(prevalence, rates["recall"], rates["specificity"], *found)


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
