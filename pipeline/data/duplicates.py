"""Copies and neighbours: exact copies by the pixels' hash, near ones by a second look at small pictures.

Two slices are alike when a small motion and another tone turn one's 32 x 32 fingerprint into the other's:
recompressed, resized, brightened, shifted, cropped and turned copies do; different people at one level do
not. Neighbouring slices of one patient may: they are told from copies, and joined with them for splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array, csgraph

from pipeline.data.candidates import Neighbourhood
from pipeline.data.registration import (
    blurred,
    fit_pairs,
    fit_tones,
    refine_pairs,
)

VERSION = 4  # of the rules below: clusters made by other ones are made again
# Of 692 real slices of as many people no two leave less than 0.0235; a shift by 4 %, a turn by 3 degrees or
# a crop of 4 % on each side leaves at most 0.004, a gamma of 1.5 or contrast clipped by 1.3 up to 0.014.
MOST_RESIDUAL = 0.016
# Where anatomy is simple (neck, abdomen), people are alike but for detail: phantoms leave 0.027 of it,
# the closest real slices 0.06, moved copies up to 0.015, a gamma of 1.5 or clipped contrast up to 0.025.
MOST_DETAIL_RESIDUAL = 0.025
# Neighbours 1 mm apart leave 0.0008 or more where nothing was moved; JPEG at quality 30 leaves up to 0.0007.
_SAME_RESIDUAL = 0.0008
_EXPLAINED = 0.12  # share of a copy's difference that is left when its motion and tone are undone
_FAR_ENOUGH = 0.25  # cells of motion: below it the first step is exact
_MOVED, _MOVED_RESIDUAL = 0.1, 0.0008  # cells, and share: a turn by 1 degree is 0.13; neighbours lie still
_HOPELESS = 0.2  # residual of the first step beyond which the way back is not tried
_PAIR_BLOCK = 1 << 17
_CURVED = 0.08  # residual a squared cell of motion that a first step may leave of a copy


_KINDS = {"first": np.int64, "second": np.int64, "residual": np.float32, "exact": bool, "neighbours": bool}


@dataclass(frozen=True)
class DuplicatePairs:
    """Pairs of row positions.

    Attributes:
        residual: share of one fingerprint that the other, moved and toned, leaves unexplained; 0 is a copy.
        exact: whether the pixels are the same.
        neighbours: whether they are different pictures of one anatomy, as slices beside each other are.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    residual: NDArray[np.float32]
    exact: NDArray[np.bool_]
    neighbours: NDArray[np.bool_]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Which are changed copies: the same picture, and not the same pixels."""
        return ~self.exact & ~self.neighbours


def near_duplicate_clusters(index: pd.DataFrame, fingerprints: NDArray[np.uint8]) -> pd.Series:
    """Return a cluster for each row of the index: rows with the same name are copies or neighbours of each
    other.

    Args:
        index: with `slice_id` and `content_hash`; rows that could not be read stand alone.
        fingerprints: (n, 32, 32) uint8 in the same order.

    Returns:
        Names such as `C-<slice_id of the first member>`, aligned with `index`.
    """
    return cluster_pairs(index, find_duplicate_pairs(index, fingerprints))


def cluster_pairs(index: pd.DataFrame, pairs: DuplicatePairs) -> pd.Series:
    """Return the cluster of each row of the index: what pairs join, however indirectly."""
    roots = connected_components(len(index), pairs.first, pairs.second)
    ids = index["slice_id"].to_numpy(dtype=object)
    return pd.Series([f"C-{ids[root]}" for root in roots], index=index.index, name="cluster", dtype="str")


def count_copies(count: int, pairs: DuplicatePairs) -> NDArray[np.int64]:
    """Return for each of `count` slices how many others show its picture: exact and changed copies.

    Neighbours of one scan, which clusters hold too, are none.
    """
    copied = pairs.exact | pairs.copies
    roots = connected_components(count, pairs.first[copied], pairs.second[copied])
    return np.bincount(roots, minlength=count)[roots] - 1


def find_duplicate_pairs(index: pd.DataFrame, fingerprints: NDArray[np.uint8]) -> DuplicatePairs:
    """Return the pairs of copies: exact ones with the first of their kind, near ones among those first."""
    contents, _ = pd.factorize(index["content_hash"].astype("str"))
    readable = np.flatnonzero(contents >= 0)
    _, place, of_kind = np.unique(contents[readable], return_index=True, return_inverse=True)
    originals = readable[place][of_kind]
    again = originals != readable
    copies, copied = readable[again], originals[again]
    unique = readable[np.sort(place)]
    near = _near_pairs(fingerprints[unique])
    exact = np.arange(len(copies) + len(near.first)) < len(copies)
    return DuplicatePairs(
        np.concatenate([copied, unique[near.first]]).astype(np.int64),
        np.concatenate([copies, unique[near.second]]).astype(np.int64),
        np.concatenate([np.zeros(len(copies), np.float32), near.residual]),
        exact,
        np.concatenate([np.zeros(len(copies), bool), near.neighbours]),
    )


class KnownFingerprints:
    """Fingerprints, (n, 32, 32) uint8, that further ones are compared with: a look at the likeliest few."""

    def __init__(self, fingerprints: NDArray[np.uint8]) -> None:
        self._fingerprints = fingerprints
        self._around = Neighbourhood(fingerprints)

    def near_copies(self, fingerprint: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the positions of copies and neighbours of one (32, 32) fingerprint."""
        likely = self._around.nearest_to(fingerprint)
        if not len(likely):
            return likely
        images = np.concatenate([fingerprint[None], self._fingerprints[likely]])
        others = np.arange(1, len(images))
        near = _judge(images, np.stack([np.zeros_like(others), others], axis=1))
        return likely[near.second - 1]


def connected_components(
    count: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each of `count` items the smallest item that it is joined with, however indirectly."""
    joined = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, components = csgraph.connected_components(joined, directed=False)
    _, smallest, inverse = np.unique(components, return_index=True, return_inverse=True)
    return np.asarray(smallest[inverse], np.int64)


def _near_pairs(fingerprints: NDArray[np.uint8]) -> DuplicatePairs:
    """Return the pairs of copies and neighbours among distinct slices, by position, in order."""
    around = Neighbourhood(fingerprints)
    near = _judge(fingerprints, around.nearest())
    groups = connected_components(len(fingerprints), near.first, near.second)
    beyond = _judge(fingerprints, around.nearest_beyond(groups))
    both = _joined([near, beyond])
    _, once = np.unique(both.first << 32 | both.second, return_index=True)
    return DuplicatePairs(*(values[once] for values in vars(both).values()))


def _judge(fingerprints: NDArray[np.uint8], pairs: NDArray[np.int64]) -> DuplicatePairs:
    """Return those of (m, 2) candidates, in order, that are copies or neighbours."""
    parts = [
        _judge_block(fingerprints, pairs[start : start + _PAIR_BLOCK])
        for start in range(0, len(pairs), _PAIR_BLOCK)
    ]
    return _joined(parts)


def _joined(parts: Sequence[DuplicatePairs]) -> DuplicatePairs:
    return DuplicatePairs(
        *(
            np.concatenate([np.empty(0, kind), *(getattr(part, name) for part in parts)]).astype(kind)
            for name, kind in _KINDS.items()
        )
    )


def _judge_block(fingerprints: NDArray[np.uint8], pairs: NDArray[np.int64]) -> DuplicatePairs:
    used, places = np.unique(pairs, return_inverse=True)
    pictures = fingerprints[used]
    first, second = places.reshape(-1, 2).T
    images = blurred(pictures)
    there = fit_pairs(images, first, second)
    residual, motion = there.residual, there.motion
    doubtful = np.flatnonzero((residual > MOST_RESIDUAL) & (residual < _HOPELESS))
    back = fit_pairs(images, second[doubtful], first[doubtful])
    forth = np.ones(len(first), bool)
    forth[doubtful] = residual[doubtful] <= back.residual
    residual[doubtful] = np.minimum(residual[doubtful], back.residual)
    motion[doubtful] = np.where(forth[doubtful], motion[doubtful], back.motion)
    chosen = _worth_refining(first, second, residual, motion)
    first, second, forth = first[chosen], second[chosen], forth[chosen]
    refined = refine_pairs(images, np.where(forth, first, second), np.where(forth, second, first))
    near = (refined.residual <= MOST_RESIDUAL) & (refined.detail <= MOST_DETAIL_RESIDUAL)
    first, second, residual = first[near], second[near], refined.residual[near]
    neighbours = ~_is_copy(pictures, first, second, residual, refined.motion[near])
    return DuplicatePairs(used[first], used[second], residual, np.zeros(len(first), bool), neighbours)


def _worth_refining(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    residual: NDArray[np.float32],
    motion: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Return those near at the first step, and of those moved too far for one step each slice's likeliest."""
    near = np.flatnonzero(residual <= MOST_RESIDUAL)
    possible = (residual < MOST_RESIDUAL + _CURVED * motion**2) & (motion > _FAR_ENOUGH)
    possible[near] = False
    others = np.flatnonzero(possible)
    others = others[np.argsort(residual[others], kind="stable")]
    likeliest = [near]
    for side in (first, second):
        _, at = np.unique(side[others], return_index=True)
        likeliest.append(others[at])
    return np.unique(np.concatenate(likeliest))


def _is_copy(
    fingerprints: NDArray[np.uint8],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    residual: NDArray[np.float32],
    motion: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return which pairs are one picture: nothing differs, or what was done to it explains the difference.

    Neighbours lie in one place and are shown in one tone, and differ nevertheless.
    """
    there, back = fit_tones(fingerprints, first, second), fit_tones(fingerprints, second, first)
    left = np.minimum(there.residual, back.residual)
    difference = np.maximum(there.difference, back.difference)
    explained = residual <= _EXPLAINED * difference
    turned = (motion >= _MOVED) & (residual <= _MOVED_RESIDUAL)
    return np.asarray((left < _SAME_RESIDUAL) | explained | turned, bool)
