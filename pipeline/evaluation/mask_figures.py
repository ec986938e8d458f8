"""How good a recipe's masks are over many slices with known masks: means with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.estimates import Estimate, unknown
from pipeline.evaluation.intervals import draw_resamples, estimate, group_sums


def mean_over_groups(values: Sequence[float | None], groups: Sequence[str]) -> tuple[Estimate, int]:
    """Return the mean of the known values with its interval, whole groups resampled, and how many they are.

    `groups` names each value's patient (or the slice itself where the patient is unknown).
    """
    kept = [(value, group) for value, group in zip(values, groups, strict=True) if value is not None]
    if not kept:
        return unknown("no slice here has a known mask"), 0
    numbers = np.array([value for value, _ in kept])
    _, codes = np.unique([group for _, group in kept], return_inverse=True)
    resamples = draw_resamples(codes)
    sums = resamples.weights @ group_sums(numbers, codes, resamples.n_groups)
    counts = resamples.weights @ group_sums(np.ones(len(numbers)), codes, resamples.n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.where(counts > 0, sums / counts, math.nan)
    return estimate(float(numbers.mean()), samples, groups=resamples.n_groups), len(kept)
