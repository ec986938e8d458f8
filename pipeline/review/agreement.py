"""How far readers agree with the reference, with the model, with each other, and with themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.estimates import Estimate, unknown
from pipeline.evaluation.intervals import draw_resamples, estimate, wilson
from pipeline.evaluation.metrics import one_hot_confusion
from pipeline.review.store import CANNOT_JUDGE


@dataclass(frozen=True)
class Agreement:
    """How often two labels of the same slices are equal, and beyond chance (Cohen's kappa)."""

    first: str
    second: str
    n: int
    groups: int
    percent: Estimate
    kappa: Estimate


@dataclass(frozen=True)
class Influence:
    """What the model's opinion did to the readers' labels, by the reference standard.

    Attributes:
        n: readings with a blind, a final and a reference label and the model's opinion, the first label not
            corrected after the opinion was shown.
        helped: wrong before and right after; harmed the other way round.
        followed_wrong: changed to the model's label, which was wrong.
        without_opinion: readings left out only because the model gave no opinion.
        not_judged: readings left out because the reader said, first or last, that they cannot judge.
    """

    n: int
    unchanged: int
    helped: int
    harmed: int
    changed_otherwise: int
    followed_wrong: int
    without_opinion: int
    not_judged: int


def cohen_kappa(confusion: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa of (..., k, k) counts; NaN where both use one and the same label.

    >>> cohen_kappa(np.array([[20, 5], [10, 15]])).round(3).item()
    0.4
    """
    total = confusion.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(confusion, axis1=-2, axis2=-1) / total
        expected = (confusion.sum(-1) * confusion.sum(-2)).sum(-1) / total**2
        return np.asarray((observed - expected) / np.where(expected < 1, 1 - expected, np.nan))


def agree(
    first: pd.Series,
    second: pd.Series,
    groups: pd.Series,
    *,
    names: tuple[str, str] = ("first", "second"),
    n_resamples: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Compare two labels of the same slices, (n,) each with equal index; rows that lack one are left out.

    Intervals resample `groups` (patients). Where all agree, the interval of kappa follows from Wilson's of
    the agreement.
    """
    both = first.notna() & second.notna()
    first, second, groups = first[both].astype(str), second[both].astype(str), groups[both].astype(str)
    if not len(first):
        reason = "no slice has both labels"
        return Agreement(*names, 0, 0, unknown(reason), unknown(reason))
    labels = sorted({*first, *second})
    places = {label: place for place, label in enumerate(labels)}
    cells = one_hot_confusion(first.map(places).to_numpy(), second.map(places).to_numpy(), len(labels))
    codes = np.asarray(pd.factorize(groups)[0])
    resamples = draw_resamples(codes, n_resamples=n_resamples, seed=seed)
    table, drawn = cells.sum(0, dtype=float), resamples.sums(cells)
    share = float(np.trace(table) / table.sum())
    shares = np.trace(drawn, axis1=-2, axis2=-1) / drawn.sum((-2, -1))
    n_groups = resamples.n_groups
    percent = estimate(share, shares, groups=n_groups)
    value = float(cohen_kappa(table))
    if not np.isfinite(value):
        kappa = unknown("both use one and the same label throughout")
    else:
        kappa = estimate(value, cohen_kappa(drawn), groups=n_groups, bounded=False)
        if kappa.low is not None and share == 1:
            chance = float((table.sum(0) * table.sum(1)).sum() / table.sum() ** 2)
            kappa = Estimate(value, (wilson(n_groups, n_groups)[0] - chance) / (1 - chance), 1.0)
    return Agreement(*names, len(first), n_groups, percent, kappa)


def agreements(
    readings: pd.DataFrame, reference: Mapping[str, str], groups: Mapping[str, Any], *, seed: int = 0
) -> list[Agreement]:
    """Compare each reader with the reference and the model, before and after, and readers with each other.

    Args:
        readings: as `load_readings` gives them, of one data set.
        reference: label by slice id.
        groups: the unit that is resampled, by slice id.
        seed: of the resamples.

    Readings whose first label was corrected after the model had spoken do not count as blind. Where a reader
    could not judge there is no label to compare.
    """
    found = []
    for reader, rows in readings.groupby("reader", sort=True):
        rows = rows.set_index("slice_id")
        unit = _units(rows.index, groups)
        blind, final = _blind_labels(rows), _judged(rows["final_label"])
        pairs = {
            ("first label", "reference"): (blind, _looked_up(rows.index, reference)),
            ("final label", "reference"): (final, _looked_up(rows.index, reference)),
            ("first label", "model"): (blind, rows["model_label"]),
            ("final label", "model"): (final, rows["model_label"]),
            ("first label", "final label"): (blind, final),
        }
        for (one, other), (first, second) in pairs.items():
            named = (f"{reader}, {one}", f"{reader}, {other}" if other == "final label" else other)
            found.append(agree(first, second, unit, names=named, seed=seed))
    for one, other in combinations(sorted(readings["reader"].unique()), 2):
        sides = [
            _blind_labels(readings[readings["reader"] == name].set_index("slice_id")) for name in (one, other)
        ]
        first, second = sides[0].align(sides[1], join="inner")
        named = (f"{one}, first label", f"{other}, first label")
        found.append(agree(first, second, _units(first.index, groups), names=named, seed=seed))
    return found


def influence(readings: pd.DataFrame, reference: Mapping[str, str]) -> Influence:
    """Count what changed between the first and the final labels, by the reference standard.

    Only readings in which the model's opinion was shown count: no other label comes after it.
    """
    truth = readings["slice_id"].map(dict(reference))
    labelled = _blind_labels(readings).notna() & _judged(readings["final_label"]).notna() & truth.notna()
    answered = (readings["model_status"] == "ok") & readings["model_label"].notna()
    usable = labelled & answered
    rows, truth = readings[usable], truth[usable]
    before, after = rows["blind_label"] == truth, rows["final_label"] == truth
    same = rows["blind_label"] == rows["final_label"]
    followed = ~same & (rows["final_label"] == rows["model_label"]) & ~after
    return Influence(
        n=len(rows),
        unchanged=int(same.sum()),
        helped=int((~before & after).sum()),
        harmed=int((before & ~after).sum()),
        changed_otherwise=int((~same & ~before & ~after).sum()),
        followed_wrong=int(followed.sum()),
        without_opinion=int((labelled & ~answered).sum()),
        not_judged=int((readings[["blind_label", "final_label"]] == CANNOT_JUDGE).any(axis=1).sum()),
    )


def _judged(labels: pd.Series) -> pd.Series:
    """Return the labels, None where the reader could not judge."""
    return labels.where(labels != CANNOT_JUDGE, None)


def _blind_labels(rows: pd.DataFrame) -> pd.Series:
    """Return the labels that were given blind, None where there is none."""
    return _judged(rows["blind_label"]).where(rows["blind_corrected_to"].isna(), None)


def _looked_up(slice_ids: pd.Index, values: Mapping[str, Any]) -> pd.Series:
    return pd.Series([values.get(slice_id) for slice_id in slice_ids], index=slice_ids, dtype=object)


def _units(slice_ids: pd.Index, groups: Mapping[str, Any]) -> pd.Series:
    """Return the group of each slice; a slice of unknown group stands alone."""
    return pd.Series(
        [groups.get(slice_id) or slice_id for slice_id in slice_ids], index=slice_ids, dtype=object
    )
