"""Copies and near-copies: exact by the pixels' hash, near by a perceptual hash whose suspicion a second look
confirms.

Two slices are near-duplicates when their 64-bit DCT hashes differ in few bits *and* their 32 x 32
fingerprints correlate, in brightness and in detail. Neighbouring slices of one patient may join; that is
right for splits. Candidates come from hash buckets (multi-index hashing: Norouzi, Punjani, Fleet 2012), so
not every pair is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

VERSION = 1  # of the rules below: clusters made by other ones are made again
MAX_BITS = 10
MIN_CORRELATION = 0.985
MIN_DETAIL_CORRELATION = 0.9
_CHUNKS = 8  # of 8 bits; a bucket is a pair of chunks
_PAIR_BLOCK = 1 << 18


@dataclass(frozen=True)
class DuplicatePairs:
    """Pairs of row positions. `correlation` is of the fingerprints, `exact` of the pixels' hash."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: NDArray[np.float32]
    exact: NDArray[np.bool_]


def near_duplicate_clusters(index: pd.DataFrame, fingerprints: NDArray[np.uint8]) -> pd.Series:
    """Return a cluster for each row of the index: rows with the same name are (near-)copies of each other.

    Args:
        index: with `slice_id`, `content_hash`, `perceptual_hash`; rows that could not be read stand alone.
        fingerprints: (n, 32, 32) uint8 in the same order.

    Returns:
        Names such as `C-<slice_id of the first member>`, aligned with `index`.
    """
    pairs = find_duplicate_pairs(index, fingerprints)
    roots = connected_components(len(index), pairs.first, pairs.second)
    ids = index["slice_id"].to_numpy(dtype=object)
    return pd.Series([f"C-{ids[root]}" for root in roots], index=index.index, name="cluster", dtype="str")


def find_duplicate_pairs(index: pd.DataFrame, fingerprints: NDArray[np.uint8]) -> DuplicatePairs:
    """Return the pairs of copies: exact ones with the first of their kind, near ones among those first."""
    readable = np.flatnonzero(index["perceptual_hash"].notna().to_numpy())
    contents = index["content_hash"].to_numpy(dtype=object)[readable]
    first_of: dict[str, int] = {}
    originals = np.array(
        [first_of.setdefault(content, at) for content, at in zip(contents, readable.tolist(), strict=True)]
    )
    copies = readable[originals != readable] if len(readable) else readable
    copied = originals[originals != readable] if len(readable) else originals
    unique = np.array(sorted(first_of.values()), np.int64)
    hashes = hashes_as_integers(index["perceptual_hash"].iloc[unique])
    near_first, near_second, correlation = _near_pairs(hashes, fingerprints[unique])
    return DuplicatePairs(
        np.concatenate([copied, unique[near_first]]).astype(np.int64),
        np.concatenate([copies, unique[near_second]]).astype(np.int64),
        np.concatenate([np.ones(len(copies)), correlation]).astype(np.float32),
        np.concatenate([np.ones(len(copies), bool), np.zeros(len(correlation), bool)]),
    )


def connected_components(
    count: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each of `count` items the smallest item that it is joined with, however indirectly."""
    parents = np.arange(count)

    def root(item: int) -> int:
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = int(parents[item])
        return item

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        parents[high] = low
    return np.array([root(item) for item in range(count)], np.int64)


def hashes_as_integers(column: pd.Series) -> NDArray[np.uint64]:
    """Return the hex hashes as 64-bit integers."""
    return np.array([int(text, 16) for text in column], np.uint64)


def _near_pairs(
    hashes: NDArray[np.uint64], fingerprints: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    if len(hashes) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    whole = _standardised(fingerprints.astype(np.float32))
    detail = _standardised(_detail(fingerprints))
    firsts, seconds, values = [], [], []
    candidates = _candidates(hashes)
    for start in range(0, len(candidates), _PAIR_BLOCK):
        one, other = candidates[start : start + _PAIR_BLOCK].T
        correlation = np.einsum("ij,ij->i", whole[one], whole[other])
        fine = np.einsum("ij,ij->i", detail[one], detail[other])
        same = (correlation >= MIN_CORRELATION) & (fine >= MIN_DETAIL_CORRELATION)
        firsts.append(one[same])
        seconds.append(other[same])
        values.append(correlation[same])
    if not firsts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values)


def _candidates(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return (m, 2) pairs whose hashes share two of their eight bytes and differ in at most MAX_BITS bits."""
    parts = (hashes[:, None] >> np.arange(0, 64, 8, dtype=np.uint64)) & np.uint64(255)
    found = []
    for one, other in combinations(range(_CHUNKS), 2):
        keys = (parts[:, one] << np.uint64(8)) | parts[:, other]
        found.extend(_close_pairs_in_buckets(keys, hashes))
    if not found:
        return np.empty((0, 2), np.int64)
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // len(hashes), codes % len(hashes)], axis=1).astype(np.int64)


def _close_pairs_in_buckets(keys: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Return the close pairs with equal keys, each as first * n + second."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    found = []
    for step in range(1, len(keys)):
        together = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(together):
            break
        one, other = order[together], order[together + step]
        close = np.bitwise_count(hashes[one] ^ hashes[other]) <= MAX_BITS
        low, high = np.minimum(one[close], other[close]), np.maximum(one[close], other[close])
        found.append(low.astype(np.int64) * len(keys) + high)
    return found


def _detail(fingerprints: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what a fingerprint has beyond its own blur: edges and vessels rather than body and lungs."""
    values = fingerprints.astype(np.float32)
    return np.stack([image - cv2.GaussianBlur(image, (0, 0), 2.0) for image in values])


def _standardised(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images as rows of mean 0 and length 1, so that products are correlations; a flat one is 0."""
    rows = images.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 1e-6, length, np.inf)).astype(np.float32)
