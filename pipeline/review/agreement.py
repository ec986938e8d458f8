"""How far readers agree with the reference, with the model, with each other, and with themselves."""

from __future__ import annotations

from collections import Counter
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
            corrected after the opinion was shown: `unchanged`, `helped`, `harmed` and `changed_otherwise`
            together.
        helped: wrong before and right after; harmed the other way round.
        changed_otherwise: from one wrong label to another.
        followed_wrong: changed to the model's label, which was wrong.
        left_out: how many readings do not count, by the reason, each under the first that holds: `without a
            final label`, `that the reader could not judge`, `without a reference label`, `with a corrected
            first label`, `without an opinion of the model`.
    """

    n: int
    unchanged: int
    helped: int
    harmed: int
    changed_otherwise: int
    followed_wrong: int
    left_out: Mapping[str, int]


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
    reasons = _why_left_out(readings, reference)
    rows = readings[reasons == ""]
    truth = rows["slice_id"].map(dict(reference))
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
        left_out=Counter(str(reason) for reason in reasons if reason),
    )


def usable(readings: pd.DataFrame, reference: Mapping[str, str]) -> pd.DataFrame:
    """Return the readings that tell what the model's opinion did; `Influence` says which these are."""
    return readings[_why_left_out(readings, reference) == ""]


def disagreements(readings: pd.DataFrame) -> pd.DataFrame:
    """Return the slices that readers labelled differently, first or last, one row a slice.

    Columns: `slice_id`, `model_label`, and a column a reader: `first`, or `first, then final` where they
    differ; None where the reader has not read the slice to the end.
    """
    ended = readings[readings["final_label"].notna()]
    found = []
    for slice_id, rows in ended.groupby("slice_id", sort=False):
        said = {column: _judged(rows[column]).dropna().nunique() for column in ("blind_label", "final_label")}
        if max(said.values()) > 1:
            texts = {str(row["reader"]): _both_labels(row) for _, row in rows.iterrows()}
            found.append({"slice_id": slice_id, "model_label": rows["model_label"].iloc[-1], **texts})
    readers = sorted(str(name) for name in ended["reader"].unique())
    return pd.DataFrame(found, columns=["slice_id", "model_label", *readers], dtype=object)


def _both_labels(row: pd.Series) -> str:
    first, final = str(row["blind_label"]), str(row["final_label"])
    return first if first == final else f"{first}, then {final}"


def _why_left_out(readings: pd.DataFrame, reference: Mapping[str, str]) -> pd.Series:
    """Return why each reading tells nothing of the opinion's influence, "" where it does."""
    reasons = {
        "without a final label": readings["final_label"].isna(),
        "that the reader could not judge": (readings[["blind_label", "final_label"]] == CANNOT_JUDGE).any(
            axis=1
        ),
        "without a reference label": readings["slice_id"].map(dict(reference)).isna(),
        "with a corrected first label": readings["blind_corrected_to"].notna(),
        "without an opinion of the model": (readings["model_status"] != "ok")
        | readings["model_label"].isna(),
    }
    found = pd.Series("", index=readings.index, dtype=object)
    for reason, holds in reasons.items():
        found = found.where((found != "") | ~holds, reason)
    return found


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
