"""The leakage meter: by how many points would a careless split flatter a model on these slices?

A probe that learns nothing, and gives each slice the class of the picture most like it, is cross-validated
three times over the same slices: dealt slice by slice, by patient id, and by groups (patients joined where
near-copies join them). What it gains where slices of one person are on both sides is memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.labels import order_labels

SCHEMES = ("slice_wise", "patient_wise", "cluster_wise")
_FOLDS, _REPEATS = 5, 5
_ASKED = 2000  # slices whose class is asked for; they are compared with all others
_COMPARED = 20_000  # of more slices, whole groups are drawn
_BLOCK = 250
_RESAMPLES = 500
_SIDE = 16
_LEAST_GROUPS = 5  # of each class: with fewer, other folds may have none of it


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, or why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class LeakageMeter:
    """The probe's balanced accuracy under each way of dealing, [0, 1].

    Attributes:
        flattery: slice-wise less cluster-wise, as a share.
        chance: what guessing reaches.
        labels, left_out: the classes asked about, and those of too few groups to be asked about.
        slices, asked, groups: compared, asked about, and the units that intervals resample.
        patients_known: whether every slice has a patient id; where not, the flattery is at least this.
    """

    slice_wise: Estimate
    patient_wise: Estimate
    cluster_wise: Estimate
    flattery: Estimate
    chance: float
    labels: Sequence[str]
    left_out: Sequence[str]
    slices: int
    asked: int
    groups: int
    patients_known: bool
    probe: str = "class of the most similar picture"
    measure: str = "balanced accuracy"
    folds: int = _FOLDS
    repeats: int = _REPEATS

    @property
    def sentence(self) -> str:
        """What the meter says, in one plain sentence."""
        careless, honest, gain = self.slice_wise, self.cluster_wise, self.flattery
        if careless.value is None or honest.value is None or gain.value is None:
            return f"How much a careless split flatters cannot be measured: {gain.reason}"
        unit = "near-copies" if not self.patients_known else "patients"
        least = "" if self.patients_known else " at least"
        without = f" Without {', '.join(self.left_out)}: too few groups." if self.left_out else ""
        return (
            f"A probe that only finds the most similar picture gets {careless.value:.0%} right when slices "
            f"are dealt singly, and {honest.value:.0%} with {unit} kept apart (chance {self.chance:.0%}): "
            f"a careless split flatters by{least} {_points(gain.value)} points ({_points(gain.low)} to "
            f"{_points(gain.high)}).{without}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the meter as plain JSON values, its sentence among them."""
        return asdict(self) | {"sentence": self.sentence}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> LeakageMeter:
        """Return what `to_json` wrote."""
        values = {name: kept[name] for name in cls.__dataclass_fields__}
        estimates = {name: Estimate(**kept[name]) for name in (*SCHEMES, "flattery")}
        return cls(**(values | estimates))


def measure_leakage(
    fingerprints: NDArray[np.uint8],
    labels: pd.Series,
    patients: pd.Series,
    groups: pd.Series,
    *,
    seed: int = 0,
) -> LeakageMeter:
    """Cross-validate the probe under each way of dealing.

    Args:
        fingerprints: (n, 32, 32) uint8 of readable, labelled slices.
        labels, patients, groups: of the same slices; patients may be null, groups are of `join_groups`.
    """
    spread = groups.groupby(labels.to_numpy()).nunique()
    few = spread[spread < _LEAST_GROUPS].index
    held = np.flatnonzero(~labels.isin(few))
    names = order_labels(labels.iloc[held])
    drawn = held[_draw(groups.iloc[held], seed)]
    labels, patients, groups = labels.iloc[drawn], patients.iloc[drawn], groups.iloc[drawn]
    classes = pd.Index(names).get_indexer(pd.Index(labels))
    codes = {
        "slice_wise": np.arange(len(drawn)),
        "patient_wise": _patient_codes(patients),
        "cluster_wise": pd.factorize(groups)[0],
    }
    generator = np.random.default_rng(seed)
    asked = np.sort(generator.permutation(len(drawn))[:_ASKED])
    known = bool(patients.notna().all()) and len(patients) > 0
    if len(names) < 2:
        reason = f"it takes two classes of at least {_LEAST_GROUPS} groups each."
        estimates = dict.fromkeys((*SCHEMES, "flattery"), Estimate(None, reason=reason))
    else:
        folds = {
            scheme: [_deal(of, generator) for _ in range(_REPEATS)]
            for scheme, of in codes.items()
            if scheme != "patient_wise" or patients.notna().any()
        }
        right = _ask(fingerprints[drawn], classes, asked, folds)
        estimates = _estimate(right, classes[asked], codes["cluster_wise"][asked], generator)
    return LeakageMeter(
        slice_wise=estimates["slice_wise"],
        patient_wise=estimates["patient_wise"],
        cluster_wise=estimates["cluster_wise"],
        flattery=estimates["flattery"],
        chance=1 / max(1, len(names)),
        labels=names,
        left_out=order_labels(few),
        slices=len(drawn),
        asked=len(asked),
        groups=int(codes["cluster_wise"].max(initial=-1)) + 1,
        patients_known=known,
    )


def _draw(groups: pd.Series, seed: int) -> NDArray[np.intp]:
    """Return the positions compared: all, or of very many those of groups drawn until there are enough."""
    if len(groups) <= _COMPARED:
        return np.arange(len(groups))
    codes = pd.factorize(groups)[0]
    order = np.random.default_rng(seed).permutation(codes.max() + 1)
    filled = np.cumsum(np.bincount(codes)[order])
    taken = order[: max(1, int(np.searchsorted(filled, _COMPARED, side="right")))]
    return np.flatnonzero(np.isin(codes, taken))


def _patient_codes(patients: pd.Series) -> NDArray[np.intp]:
    """Return a number for each patient; a slice without an id stands alone, as it would in such a split."""
    codes = pd.factorize(patients)[0]
    unknown = codes < 0
    codes[unknown] = codes.max(initial=-1) + 1 + np.arange(unknown.sum())
    return codes


def _deal(codes: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return a fold for each slice, units of equal code together."""
    count = int(codes.max()) + 1
    return np.asarray((generator.permutation(count) % _FOLDS)[codes], np.int64)


def _ask(
    fingerprints: NDArray[np.uint8],
    classes: NDArray[np.intp],
    asked: NDArray[np.intp],
    folds: Mapping[str, Sequence[NDArray[np.int64]]],
) -> dict[str, NDArray[np.float64]]:
    """Return, for each scheme and each slice asked about, how often the probe was right, [0, 1]."""
    rows = _standardised(fingerprints)
    right = {scheme: np.zeros(len(asked)) for scheme in folds}
    for start in range(0, len(asked), _BLOCK):
        block = asked[start : start + _BLOCK]
        alike = rows[block] @ rows.T
        for scheme, repeats in folds.items():
            for fold in repeats:
                nearest = _nearest_in_other_folds(alike, fold[block], fold)
                right[scheme][start : start + _BLOCK] += classes[nearest] == classes[block]
    return {scheme: hits / _REPEATS for scheme, hits in right.items()}


def _nearest_in_other_folds(
    alike: NDArray[np.float32], own: NDArray[np.int64], fold: NDArray[np.int64]
) -> NDArray[np.intp]:
    nearest = np.empty(len(own), np.intp)
    for one in range(_FOLDS):
        held = np.flatnonzero(own == one)
        others = np.flatnonzero(fold != one)
        if len(held):
            nearest[held] = others[np.argmax(alike[np.ix_(held, others)], axis=1)]
    return nearest


def _estimate(
    right: Mapping[str, NDArray[np.float64]],
    classes: NDArray[np.intp],
    groups: NDArray[np.intp],
    generator: np.random.Generator,
) -> dict[str, Estimate]:
    """Return balanced accuracies and the flattery, with intervals over resampled groups."""
    units = pd.factorize(groups)[0]
    count, kinds = units.max() + 1, classes.max() + 1
    cells = units * kinds + classes
    times = generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    times = np.concatenate([np.ones((1, count), times.dtype), times])  # the first is the sample itself
    totals = times @ np.bincount(cells, minlength=count * kinds).reshape(count, kinds)
    values = {}
    for scheme, hits in right.items():
        correct = times @ np.bincount(cells, hits, minlength=count * kinds).reshape(count, kinds)
        with np.errstate(invalid="ignore"):
            values[scheme] = np.nanmean(correct / totals, axis=1)
    values["flattery"] = values["slice_wise"] - values["cluster_wise"]
    missing = Estimate(None, reason="no patient id is known.")
    return {name: _interval(values[name]) if name in values else missing for name in (*SCHEMES, "flattery")}


def _interval(values: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))


def _standardised(fingerprints: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return fingerprints at half their side as rows of mean 0 and length 1: products are correlations."""
    small = [cv2.resize(one, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel() for one in fingerprints]
    rows = np.stack(small).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def _points(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f}"
