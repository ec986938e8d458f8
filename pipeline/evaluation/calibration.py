"""Whether a probability of 0.8 comes true eight times in ten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.intervals import Resamples, estimate
from pipeline.evaluation.predictions import Predictions

BINS = 10


@dataclass(frozen=True)
class CalibrationFigures:
    """How far probabilities are from what comes true.

    Attributes:
        ece: expected calibration error of the called class, in BINS bins of equal width.
        by_class: the same of each class's own probability, called or not; not of absent classes.
        brier: over all classes.
        log_loss: nats.
    """

    ece: Estimate
    by_class: dict[str, Estimate]
    brier: Estimate
    log_loss: Estimate


@dataclass(frozen=True)
class ReliabilityBin:
    """Slices whose predicted probability lies in one bin: how often it came true."""

    low_edge: float
    high_edge: float
    mean_probability: float
    n: int
    groups: int
    frequency: Estimate


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float:
    """Return the mean gap between confidence and accuracy over equal bins, weighted by their rows.

    Args:
        confidence: (n,) in [0, 1].
        right: (n,) boolean, whether it came true.
        bins: how many bins of equal width; a value on an edge belongs to the lower bin.
    """
    return float(_ece(_bin_sums(confidence, right, bins).sum(0)))


def calibration_figures(predictions: Predictions, resamples: Resamples) -> CalibrationFigures:
    """Compute calibration figures of the called class, of each class and of all, with intervals."""
    probabilities, y_true = predictions.probabilities, predictions.y_true
    rows = np.arange(len(y_true))
    truth = np.zeros_like(probabilities)
    truth[rows, y_true] = 1
    losses = np.stack(
        [
            ((probabilities - truth) ** 2).sum(1),
            -np.log(np.clip(probabilities[rows, y_true], 1e-12, 1)),
            np.ones(len(y_true)),
        ],
        axis=1,
    )
    drawn = resamples.sums(losses)
    means, mean_samples = losses.mean(0), drawn / drawn[:, 2:]

    def unbounded(value: float, samples: np.ndarray) -> Estimate:
        return estimate(value, samples, groups=resamples.n_groups, unit=predictions.unit, bounded=False)

    def error(confidence: np.ndarray, right: np.ndarray) -> Estimate:
        cells = _bin_sums(confidence, right, BINS)
        return unbounded(float(_ece(cells.sum(0))), _ece(resamples.sums(cells)))

    return CalibrationFigures(
        ece=error(probabilities[rows, predictions.y_pred], predictions.y_pred == y_true),
        by_class={
            label: error(probabilities[:, place], y_true == place)
            for place, label in enumerate(predictions.labels)
            if (y_true == place).any()
        },
        brier=unbounded(float(means[0]), mean_samples[:, 0]),
        log_loss=unbounded(float(means[1]), mean_samples[:, 1]),
    )


def reliability(
    predictions: Predictions, label: str, resamples: Resamples, *, bins: int = BINS
) -> list[ReliabilityBin]:
    """Return how often `label` was right, by its predicted probability; empty bins are left out."""
    place = predictions.labels.index(label)
    probability, truth = predictions.probabilities[:, place], predictions.y_true == place
    edges = np.linspace(0, 1, bins + 1)
    of_row = _bin_of(probability, bins)
    drawn = resamples.sums(_bin_sums(probability, truth, bins))
    found = []
    for index in range(bins):
        rows = of_row == index
        if not rows.any():
            continue
        groups = resamples.count_groups(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            samples = drawn[:, index, 1] / drawn[:, index, 2]
        found.append(
            ReliabilityBin(
                low_edge=float(edges[index]),
                high_edge=float(edges[index + 1]),
                mean_probability=float(probability[rows].mean()),
                n=int(rows.sum()),
                groups=groups,
                frequency=estimate(float(truth[rows].mean()), samples, groups=groups, unit=predictions.unit),
            )
        )
    return found


def _bin_of(values: np.ndarray, bins: int) -> np.ndarray:
    # Rounded first: 0.6 * 10 is 6.000000000000001 in floating point, and would leave its bin.
    return np.clip(np.ceil(np.round(values * bins, 9)).astype(int) - 1, 0, bins - 1)


def _bin_sums(confidence: np.ndarray, right: np.ndarray, bins: int) -> np.ndarray:
    """Return each row's part of the bins' sums, (n, bins, 3): confidence, right, count."""
    cells = np.zeros((len(confidence), bins, 3))
    rows, of_row = np.arange(len(confidence)), _bin_of(confidence, bins)
    cells[rows, of_row] = np.stack([confidence, right, np.ones(len(confidence))], axis=1)
    return cells


def _ece(sums: np.ndarray) -> np.ndarray:
    """Return the error from bin sums (..., bins, 3)."""
    return np.asarray(np.abs(sums[..., 0] - sums[..., 1]).sum(-1) / sums[..., 2].sum(-1))
