"""Which pairs of slices are worth a closer look: the nearest by what small changes leave alone.

A fingerprint that is shifted, turned, zoomed or shown in another contrast changes along directions that can
be computed from the data (its gradients, its square). Distances are measured where those directions weigh
little (within-class covariance normalisation, Hatch et al. 2006), in few dimensions, by a k-d tree: the time
grows about as n log n.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.data.registration import blurred, has_pattern
from pipeline.data.statistics import FINGERPRINT_SIDE as SIDE

_DIMENSIONS = 16
_NEAREST = 12
_ZOOM = 1.06  # also asked for: what a crop of 3 % on each side does, further than directions reach
_SAMPLE = 1000  # fingerprints that the directions are computed from
_BLUR = 1.0
_COARSE = SIDE // 2  # side that fingerprints are compared at: blurred, they hold no more
_RIDGE = 1e-3  # of a fingerprint's variance: what else may change
_SHIFT, _TONE = 0.8, 0.12  # cells and grey: how far changes are expected to go
# Of a large group 8 members are asked for the 6 nearest of other groups among their 320 nearest.
_MEMBERS, _BEYOND, _FAR = 8, 6, 320
_BLOCK = 4096
_Floats = NDArray[np.float32]

_axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
_fade = np.clip((1.02 - np.abs(_axis)) / 0.25, 0, 1).astype(np.float32)
_WEIGHT: _Floats = np.outer(_fade, _fade).astype(
    np.float32
)  # what lies at the border leaves the picture first


class Neighbourhood:
    """Fingerprints in a space where those that are alike but for a small change are near each other."""

    def __init__(self, fingerprints: NDArray[np.uint8]) -> None:
        """Place (n, 32, 32) uint8 fingerprints; flat ones are in nobody's neighbourhood."""
        self._fingerprints = fingerprints
        self._rows = np.flatnonzero(has_pattern(fingerprints))
        if len(self._rows) > 1:
            sample = self._rows[np.unique(np.linspace(0, len(self._rows) - 1, _SAMPLE).astype(int))]
            self._mean, self._projection = _project_away(fingerprints[sample])
            self._places = self._place(zoomed=False)
            self._tree = cKDTree(self._places)
            self._zoomed: cKDTree | None = None  # made when the first fingerprint from outside is asked about

    def nearest(self) -> NDArray[np.int64]:
        """Return (m, 2) pairs, lower position first: each slice, as it is and zoomed, with its nearest."""
        if len(self._rows) < 2:
            return np.empty((0, 2), np.int64)
        count = min(_NEAREST + 1, len(self._rows))
        found = [self._ask(places, count) for places in (self._places, self._place(zoomed=True))]
        return _unique(np.concatenate(found))

    def nearest_to(self, fingerprint: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the positions of those nearest to one more fingerprint, (32, 32), either zoomed too."""
        if not has_pattern(fingerprint[None]).any():
            return self._rows[:0]
        if len(self._rows) < 2:
            return self._rows
        if self._zoomed is None:
            self._zoomed = cKDTree(self._place(zoomed=True))
        place, zoomed = (
            (_prepared(picture) - self._mean) @ self._projection
            for picture in (fingerprint[None], _zoomed(fingerprint[None]))
        )
        count = min(_NEAREST, len(self._rows))
        asked = ((self._tree, place), (self._tree, zoomed), (self._zoomed, place))
        found = [tree.query(at, k=np.arange(1, count + 1))[1].ravel() for tree, at in asked]
        return np.asarray(self._rows[np.unique(np.concatenate(found))], np.int64)

    def nearest_beyond(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return pairs of slices with the nearest of other groups.

        In a thin-sliced series a slice's nearest are all of the series, and would hide a second copy of it.

        Args:
            groups: of every fingerprint. Only some members of groups with more than 12 are asked.
        """
        if len(self._rows) < 2:
            return np.empty((0, 2), np.int64)
        own = groups[self._rows]
        _, inverse, sizes = np.unique(own, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)])
        asked = [
            order[np.linspace(start, start + size - 1, _MEMBERS).astype(int)]
            for start, size in zip(starts[:-1], sizes, strict=True)
            if size > _NEAREST
        ]
        if not asked:
            return np.empty((0, 2), np.int64)
        some = np.concatenate(asked)
        _, near = self._tree.query(self._places[some], k=min(_FAR, len(self._rows)), workers=-1)
        foreign = own[near] != own[some][:, None]
        kept = foreign & (np.cumsum(foreign, axis=1) <= _BEYOND)
        who, where = np.nonzero(kept)
        return _unique(self._rows[np.stack([some[who], near[who, where]], axis=1)])

    def _ask(self, places: _Floats, count: int) -> NDArray[np.int64]:
        _, near = self._tree.query(places, k=count, workers=-1)
        pairs = np.stack([np.repeat(np.arange(len(places)), count), near.ravel()], axis=1)
        return np.asarray(self._rows[pairs[pairs[:, 0] != pairs[:, 1]]], np.int64)

    def _place(self, *, zoomed: bool) -> _Floats:
        """Return where the fingerprints lie, as they are or zoomed, (n, 16)."""
        places = []
        for start in range(0, len(self._rows), _BLOCK):
            block = self._fingerprints[self._rows[start : start + _BLOCK]]
            prepared = _prepared(_zoomed(block) if zoomed else block)
            places.append((prepared - self._mean) @ self._projection)
        return np.concatenate(places)


def _project_away(sample: NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
    """Return the mean and a (256, 16) projection that small changes leave nearly alone."""
    changes = _changes(sample)
    spread = changes.T @ changes / len(sample) + _RIDGE * np.eye(_COARSE**2)
    prepared = _prepared(sample)
    mean = prepared.mean(axis=0)
    lower = np.linalg.cholesky(spread)
    whitened = np.linalg.solve(lower, (prepared - mean).T)
    _, directions = np.linalg.eigh(whitened @ whitened.T)
    main = directions[:, ::-1][:, :_DIMENSIONS]
    return mean, np.linalg.solve(lower.T, main).astype(np.float32)


def _changes(sample: NDArray[np.uint8]) -> _Floats:
    """Return the directions in which shift, zoom, turn and tone change each fingerprint, one a row."""
    values = blurred(sample, sigma=_BLUR)
    down, across = np.gradient(values, axis=(1, 2))
    row, column = _axis[:, None], _axis[None, :]
    turn = across * row - down * column
    moves = [across * _SHIFT, down * _SHIFT, across * column, down * row, turn * _SHIFT]
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    length = np.linalg.norm(centred, axis=(1, 2))[:, None]
    changes = [_coarse(move * _WEIGHT) * 2 / length for move in moves]
    return np.concatenate([*changes, _TONE * _standardised(_coarse(centred**2))])


def _prepared(fingerprints: NDArray[np.uint8]) -> _Floats:
    values = blurred(fingerprints, sigma=_BLUR)
    values -= values.mean(axis=(1, 2), keepdims=True)
    return _standardised(_coarse(values * _WEIGHT))


def _coarse(images: NDArray[np.floating]) -> _Floats:
    """Return (n, 32, 32) pictures at half their side, as rows."""
    return np.asarray(
        images.reshape(len(images), _COARSE, 2, _COARSE, 2).mean(axis=(2, 4)).reshape(len(images), -1),
        np.float32,
    )


def _standardised(rows: _Floats) -> _Floats:
    """Return rows of mean 0 and length 1."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def _zoomed(fingerprints: NDArray[np.uint8]) -> NDArray[np.uint8]:
    zoom = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), 0, _ZOOM)
    moved = [cv2.warpAffine(image, zoom, (SIDE, SIDE), flags=cv2.INTER_CUBIC) for image in fingerprints]
    return np.stack(moved)


def _unique(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each pair once, the lower position first, in order."""
    if not len(pairs):
        return np.empty((0, 2), np.int64)
    ordered = np.sort(pairs, axis=1)
    keys = np.unique(ordered[:, 0] << 32 | ordered[:, 1])
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)
