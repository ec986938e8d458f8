"""How good readers are by the reference standard, before and after the model's opinion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.estimates import Estimate, unknown
from pipeline.evaluation.intervals import RESAMPLES, Resamples, draw_resamples, estimate
from pipeline.review.agreement import usable


@dataclass(frozen=True)
class ReaderAccuracy:
    """Sensitivity and specificity of one reader's labels for one class against the others.

    Attributes:
        after: whether the labels came after the model's opinion; before and after are of the same slices.
        n_with, n_without: slices with and without the class by the reference.
    """

    reader: str
    after: bool
    sensitivity: Estimate
    specificity: Estimate
    n_with: int
    n_without: int


def reader_accuracy(
    readings: pd.DataFrame,
    reference: Mapping[str, str],
    groups: Mapping[str, Any],
    *,
    label: str,
    unit: str = "patient",
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[ReaderAccuracy]:
    """Compute each reader's figures for the class `label`, before and after the opinion.

    Only readings that `usable` names count, so that both figures are of the same slices. Intervals resample
    `groups` (patients), of which `unit` is the name.
    """
    found = []
    for reader, rows in usable(readings, reference).groupby("reader", sort=True):
        diseased = (rows["slice_id"].map(dict(reference)) == label).to_numpy(bool)
        units = [groups.get(slice_id) or slice_id for slice_id in rows["slice_id"]]
        codes = np.asarray(pd.factorize(pd.Series(units, dtype=object))[0])
        resamples = draw_resamples(codes, n_resamples=n_resamples, seed=seed, unit=unit)
        for after, column in ((False, "blind_label"), (True, "final_label")):
            called = (rows[column] == label).to_numpy(bool)
            sensitivity = _share(called, diseased, resamples, f"no slice of class {label}")
            specificity = _share(~called, ~diseased, resamples, f"every slice is of class {label}")
            n_with = int(diseased.sum())
            found.append(
                ReaderAccuracy(str(reader), after, sensitivity, specificity, n_with, len(diseased) - n_with)
            )
    return found


def _share(right: np.ndarray, among: np.ndarray, resamples: Resamples, otherwise: str) -> Estimate:
    """Return the share of the rows `among` that are `right`; both (n,) boolean."""
    if not among.any():
        return unknown(otherwise)
    drawn = resamples.sums(np.column_stack([right & among, among]))
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = drawn[:, 0] / drawn[:, 1]
    value = float((right & among).sum() / among.sum())
    return estimate(value, samples, groups=resamples.count_groups(among), unit=resamples.unit)
