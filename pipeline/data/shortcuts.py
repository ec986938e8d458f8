"""Shortcuts: can the class be told from what is no anatomy? Size, format, borders, source are asked one by
one.

Each feature's AUC for a class against the rest is estimated with an interval that resamples groups (patients,
near-copies), over the whole set and within each source: a give-away may hide in one source only. A feature
with names for values (format, source) is scored by each name's share of the class in *other* groups, so that
many names don't flatter it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.labels import order_labels

QUANTITIES = {
    "width": "width",
    "height": "height",
    "channels": "number of channels",
    "bit_depth": "bit depth",
    "bytes_per_pixel": "file size a pixel",
    "jpeg_quality": "JPEG quality",
    "border_mean": "brightness of the border",
    "dark_fraction": "share of black",
}
NAMES = {
    "format": "file format",
    "source": "source",
    "manufacturer": "scanner's manufacturer",
    "kernel": "reconstruction kernel",
    "colour": "colour",
}
EVERYWHERE = "all slices"
LEAST_GROUPS = 5  # on either side: fewer say nothing
_MOST_SLICES = 4000
_MOST_CLASSES = 12
_RESAMPLES = 200
_FOLDS = 5


@dataclass(frozen=True)
class Shortcut:
    """How well one feature tells one class from the rest: its AUC with a 95 % interval."""

    feature: str
    label: str
    scope: str
    value: float
    low: float
    high: float
    slices: int

    @property
    def noun(self) -> str:
        """The feature in words."""
        return {**QUANTITIES, **NAMES}[self.feature]

    @property
    def where(self) -> str:
        """The scope as the end of a sentence, empty where it is the whole set."""
        return "" if self.scope == EVERYWHERE else f" within {self.scope}"


def measure_features(usable: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of an index that show no anatomy, one a feature."""
    table = usable[[name for name in (*QUANTITIES, *NAMES) if name in usable]].copy()
    table["bytes_per_pixel"] = usable["bytes"] / (usable["width"] * usable["height"]).astype("float64")
    table["colour"] = usable["channels_equal"].map({True: "grey", False: "coloured"})
    return table


def estimate_shortcuts(
    usable: pd.DataFrame, features: pd.DataFrame, groups: pd.Series, *, seed: int = 0
) -> Iterator[tuple[Shortcut, pd.Index]]:
    """Ask each feature about each class, over all and within each source.

    Args:
        usable: readable, labelled rows of the index.
        features: of `measure_features`.
        groups: what is resampled together, aligned with `usable`.

    Yields:
        The estimate and its rows. Constant features and classes of too few groups are left out.
    """
    for scope, rows in _scopes(usable, seed):
        labels = usable.loc[rows, "label"]
        for label in order_labels(labels)[:_MOST_CLASSES]:
            for feature in map(str, features):
                found = _estimate(features.loc[rows, feature], labels == label, groups.loc[rows], seed)
                if found is not None:
                    yield Shortcut(feature, label, scope, *found, len(rows)), rows


def auc(scores: NDArray[np.float64], is_label: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve, ties counted half.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    from scipy.stats import rankdata  # takes a second to load, as in giveaways.py

    ranks = rankdata(scores)
    positives = int(is_label.sum())
    above = ranks[is_label].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(scores) - positives)))


def _scopes(usable: pd.DataFrame, seed: int) -> Iterator[tuple[str, pd.Index]]:
    """Yield the whole set and each source of several classes, thinned out to what an estimate needs."""
    yield EVERYWHERE, _thinned(usable, seed)
    sources = usable["source"].dropna()
    if sources.nunique() > 1:
        for source, rows in usable.loc[sources.index].groupby("source", sort=True):
            if rows["label"].nunique() > 1:
                yield f"source {source}", _thinned(rows, seed)


def _thinned(rows: pd.DataFrame, seed: int) -> pd.Index:
    if len(rows) <= _MOST_SLICES:
        return rows.index
    return rows.sample(_MOST_SLICES, random_state=seed).index.sort_values()


def _estimate(
    feature: pd.Series, labelled: pd.Series, groups: pd.Series, seed: int
) -> tuple[float, float, float] | None:
    """Return AUC, low and high; None where the feature is constant, unknown, or groups are too few."""
    known = feature.notna().to_numpy()
    feature, groups = feature[known], groups[known]
    is_label = labelled.to_numpy(dtype=bool)[known]
    fewest = min(groups[is_label].nunique(), groups[~is_label].nunique())
    if feature.nunique() < 2 or fewest < LEAST_GROUPS:
        return None
    codes = pd.factorize(groups)[0]
    if feature.name in NAMES:
        scores = _share_in_other_groups(feature, is_label, codes, seed)
    else:
        scores = feature.to_numpy(dtype=np.float64)
    value = auc(scores, is_label)
    if value < 0.5 and feature.name in QUANTITIES:
        scores, value = -scores, 1 - value
    return value, *_interval(scores, is_label, codes, seed)


def _share_in_other_groups(
    feature: pd.Series, is_label: NDArray[np.bool_], groups: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Return, for each slice, the share of the class among slices of its name in other groups."""
    folds = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % _FOLDS
    names = pd.factorize(feature)[0]
    scores = np.empty(len(names))
    for fold in range(_FOLDS):
        held = folds == fold
        prior = is_label[~held].mean()
        total = np.bincount(names[~held], minlength=names.max() + 1)
        positives = np.bincount(names[~held], is_label[~held], minlength=names.max() + 1)
        scores[held] = ((positives + prior) / (total + 1))[names[held]]
    return scores


def _interval(
    scores: NDArray[np.float64], is_label: NDArray[np.bool_], groups: NDArray[np.intp], seed: int
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC over resampled groups."""
    generator = np.random.default_rng(seed)
    count = groups.max() + 1
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    times = generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)[:, groups[order]]
    positive = np.add.reduceat(times * is_label[order], starts, axis=1)
    negative = np.add.reduceat(times * ~is_label[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    possible = positive.sum(axis=1) * negative.sum(axis=1)
    areas = (positive * (below + negative / 2)).sum(axis=1)[possible > 0] / possible[possible > 0]
    low, high = np.percentile(areas, [2.5, 97.5])
    return float(low), float(high)
