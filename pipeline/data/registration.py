"""Is one small picture another, moved a little and seen in another contrast? What is left over says.

A fingerprint g is explained by another, f, as tone(f) moved by a small affine map: by first order in the
motion a linear fit on f, its square (gamma, clipped contrast) and its gradients (the tangent distance of
Simard et al. 1993), repeated on the moved f where the motion is large (Lucas and Kanade 1981).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.statistics import FINGERPRINT_SIDE as SIDE

BLUR = 0.7  # cells: below it an interpolated copy is no longer its original
LEAST_DEVIATION = 2.0  # grey levels: a flatter fingerprint is like nothing
_DETAIL_BLUR = 2.0  # cells
_STILL = 0.1  # cells of motion: below it the first fit leaves nothing for another
_MARGIN = 2  # cells at the border: what moves in and out of view
_RIDGE = 1e-5
_THREADS = max(1, min(8, os.cpu_count() or 1))
_BLOCK = 256  # fingerprints at a time: what a processor keeps near
_Floats = NDArray[np.float32]

_Some = TypeVar("_Some", bound="Fits | ToneFits")

_row, _column = (axis.astype(np.float32) for axis in np.mgrid[:SIDE, :SIDE])
_y, _x = (2 * axis / (SIDE - 1) - 1 for axis in (_row, _column))
_TERMS = 8  # of a fit: six of the motion, two of the tone
_PIXELS = (SIDE - 2 * _MARGIN) ** 2
_SEEN = np.s_[_MARGIN : SIDE - _MARGIN, _MARGIN : SIDE - _MARGIN]


@dataclass(frozen=True)
class Fits:
    """How pairs of fingerprints explain each other; arrays of one length.

    Attributes:
        residual: share of the variance that motion and tone leave unexplained, [0, 1].
        motion: root mean square of the motion over the picture, cells (1/32 of the picture).
    """

    residual: _Floats
    motion: _Floats


@dataclass(frozen=True)
class RefinedFits(Fits):
    """Fits repeated on what was moved.

    Attributes:
        detail: share of the detail (what a picture has beyond its blur) that is left unexplained.
    """

    detail: _Floats


@dataclass(frozen=True)
class ToneFits:
    """How pairs of fingerprints explain each other where they lie.

    Attributes:
        residual: share of the variance that tone leaves unexplained, [0, 1].
        difference: mean square of what differs without any fit, as a share of the variance.
    """

    residual: _Floats
    difference: _Floats


def has_pattern(fingerprints: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which of (n, 32, 32) fingerprints show anything."""
    return np.asarray(fingerprints.std(axis=(1, 2)) >= LEAST_DEVIATION, bool)


def blurred(fingerprints: NDArray[np.uint8], *, sigma: float = BLUR) -> _Floats:
    """Return (n, 32, 32) fingerprints as float32, blurred."""
    values = fingerprints.astype(np.float32)
    for image in values:
        cv2.GaussianBlur(image, (0, 0), sigma, dst=image, borderType=cv2.BORDER_REFLECT)
    return values


def fit_pairs(images: _Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> Fits:
    """Fit each pair by one linear step, from first to second.

    Args:
        images: of `blurred`.
        first, second: positions in it; pairs of one `first` are quickest together.
    """
    targets = _centred(images[:, *_SEEN].reshape(len(images), _PIXELS))
    whole = np.maximum(np.einsum("nk,nk->n", targets, targets), 1.0)
    order = np.argsort(first, kind="stable")
    starts = np.searchsorted(first[order], np.arange(len(images) + 1))
    explained = np.empty(len(first), np.float32)
    weights = np.empty((len(first), _TERMS), np.float32)
    lengths = np.ones((len(images), _TERMS), np.float32)
    wanted = np.flatnonzero(np.diff(starts))
    for start in range(0, len(wanted), _BLOCK):
        block = wanted[start : start + _BLOCK]
        bases, lengths[block], inverses = _bases(images[block])
        for at, one in enumerate(block.tolist()):
            pairs = order[starts[one] : starts[one + 1]]
            projected = targets[second[pairs]] @ bases[at].T
            weights[pairs] = fitted = projected @ inverses[at]
            explained[pairs] = np.einsum("nk,nk->n", projected, fitted)
    residual = np.clip(1 - explained / whole[second], 0, 1).astype(np.float32)
    motion = _motion_of(weights / lengths[first], images.std(axis=(1, 2))[first])
    return Fits(residual, _size_of(motion))


def refine_pairs(images: _Floats, first: NDArray[np.int64], second: NDArray[np.int64]) -> RefinedFits:
    """Fit each pair; where something moved, move first by what was found and fit again: the better counts."""
    targets = _centred(images[:, *_SEEN].reshape(len(images), -1))
    sharp, whole = _detail_energy(targets), np.maximum((targets**2).sum(axis=1), 1.0)

    def refine(first: NDArray[np.int64], second: NDArray[np.int64]) -> RefinedFits:
        used, at = np.unique(first, return_inverse=True)  # a slice stands in many pairs
        goal = targets[second]
        left, motion = _step(_bases(images[used]), images[used].std(axis=(1, 2)), at, goal)
        moved = np.flatnonzero(_size_of(motion) > _STILL)
        if len(moved):
            again = _moved(images[first[moved]], motion[moved])
            each = np.arange(len(moved))
            left_again, further = _step(_bases(again), again.std(axis=(1, 2)), each, goal[moved])
            better = (left_again**2).sum(axis=1) < (left[moved] ** 2).sum(axis=1)
            left[moved[better]] = left_again[better]
            motion[moved[better]] += further[better]
        detail = _detail_energy(left) / (sharp[second] + np.float32(1e-3))
        residual = np.asarray((left**2).sum(axis=1) / whole[second], np.float32)
        return RefinedFits(residual, _size_of(motion), np.asarray(detail, np.float32))

    return _in_blocks(RefinedFits, refine, first, second)


def _in_blocks(
    kind: type[_Some],
    fit: Callable[[NDArray[np.int64], NDArray[np.int64]], _Some],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> _Some:
    """Return what `fit` returns of all pairs, block by block on all cores; empty where there are none."""
    starts = range(0, len(first), _BLOCK)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda at: fit(first[at : at + _BLOCK], second[at : at + _BLOCK]), starts))
    none: _Floats = np.empty(0, np.float32)
    columns = {
        each.name: np.concatenate([none, *(getattr(part, each.name) for part in found)])
        for each in fields(kind)
    }
    return kind(**columns)


def _step(
    terms: tuple[_Floats, _Floats, _Floats], deviation: _Floats, at: NDArray[np.int64], goal: _Floats
) -> tuple[_Floats, _Floats]:
    """Return what a linear fit leaves of each goal, (n, pixels), and the motion, (n, 6).

    Args:
        terms: of `_bases`.
        deviation: of the pictures that they are of.
        at: which of them is fitted to each goal.
    """
    bases, scales, inverses = (part[at] for part in terms)
    weights = np.matmul(inverses, np.matmul(bases, goal[..., None]))[..., 0]
    left = goal - np.matmul(weights[:, None], bases)[:, 0]
    return left, _motion_of(weights / scales, deviation[at])


def _detail_energy(rows: _Floats) -> _Floats:
    """Return the energy that each picture has beyond its own blur: edges and vessels, not body and lungs."""
    side = SIDE - 2 * _MARGIN
    pictures = rows.reshape(len(rows), side, side)
    smooth = [cv2.GaussianBlur(picture, (0, 0), _DETAIL_BLUR) for picture in pictures]
    return np.asarray(((pictures - np.stack(smooth)) ** 2).sum(axis=(1, 2)), np.float32)


def fit_tones(
    fingerprints: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> ToneFits:
    """Fit each pair by tone alone, nothing moved and nothing blurred."""

    def fit(first: NDArray[np.int64], second: NDArray[np.int64]) -> ToneFits:
        one, other = (
            fingerprints[which].reshape(-1, SIDE * SIDE).astype(np.float32) for which in (first, second)
        )
        terms = _tones(one)
        gram = np.einsum("nik,njk->nij", terms, terms) / SIDE**2 + _RIDGE * np.eye(3, dtype=np.float32)
        wanted = np.einsum("nik,nk->ni", terms, other) / SIDE**2
        weights = np.linalg.solve(gram, wanted[..., None])[..., 0]
        fitted = np.einsum("nik,ni->nk", terms, weights)
        variance = np.maximum(other.var(axis=1), 1e-3)
        left, difference = (((other - guess) ** 2).mean(axis=1) / variance for guess in (fitted, one))
        return ToneFits(left.astype(np.float32), difference.astype(np.float32))

    return _in_blocks(ToneFits, fit, first, second)


def _tones(rows: _Floats) -> _Floats:
    """Return 1, the standardised picture and its square, (n, 3, pixels)."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    standard = centred / (centred.std(axis=1, keepdims=True) + 1e-6)
    return np.stack([np.ones_like(standard), standard, standard**2], axis=1)


def _bases(images: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Return the terms of each fit: (n, 8, pixels) of length 1, their (n, 8) lengths, (n, 8, 8) inverses."""
    tones = _tones(images.reshape(len(images), -1)).reshape(len(images), 3, SIDE, SIDE)
    across: _Floats = np.gradient(images, axis=2)
    down: _Floats = np.gradient(images, axis=1)
    terms = (across, across * _x, across * _y, down, down * _x, down * _y, tones[:, 1], tones[:, 2])
    stacked = np.stack([term[:, *_SEEN].reshape(len(images), -1) for term in terms], axis=1)
    stacked -= stacked.mean(axis=2, keepdims=True)  # goals are centred too: the constant is fitted thereby
    lengths: _Floats = np.linalg.norm(stacked, axis=2).astype(np.float32) + np.float32(1e-3)
    stacked /= lengths[..., None]
    gram = np.matmul(stacked, stacked.transpose(0, 2, 1)).astype(np.float64)
    inverses = np.linalg.inv(gram + _RIDGE * np.eye(gram.shape[1]))
    return stacked, lengths, inverses.astype(np.float32)


def _motion_of(weights: _Floats, deviation: NDArray[np.floating] | float) -> _Floats:
    """Return the affine motion, (n, 6) cells: weights of gradients over that of the picture itself."""
    gain = weights[..., 6] / (np.asarray(deviation) + 1e-6)
    gain = np.where(np.abs(gain) < 0.2, 0.2, gain)
    return np.asarray(np.clip(weights[..., :6] / gain[..., None], -2, 2), np.float32)


def _size_of(motion: _Floats) -> _Floats:
    """Return the root mean square of an affine motion over the picture, whose sides go from -1 to 1."""
    squares = motion**2
    shift = squares[:, [0, 3]].sum(axis=1)
    return np.asarray(np.sqrt(shift + squares[:, [1, 2, 4, 5]].sum(axis=1) / 3), np.float32)


def _moved(images: _Floats, motion: _Floats) -> _Floats:
    """Return each picture as seen through its motion."""
    moved = np.empty_like(images)
    across = motion[:, 0, None, None] + motion[:, 1, None, None] * _x + motion[:, 2, None, None] * _y
    down = motion[:, 3, None, None] + motion[:, 4, None, None] * _x + motion[:, 5, None, None] * _y
    for at, image in enumerate(images):
        cv2.remap(
            image,
            _column + across[at],
            _row + down[at],
            cv2.INTER_CUBIC,
            dst=moved[at],
            borderMode=cv2.BORDER_REPLICATE,
        )
    return moved


def _centred(rows: _Floats) -> _Floats:
    return np.asarray(rows - rows.mean(axis=1, keepdims=True), np.float32)
