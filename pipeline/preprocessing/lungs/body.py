"""The body in a slice: its outline, what lies around it, and the level between lung and tissue inside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.morphology import Binary, dilate, fill_holes, keep_largest, open_
from pipeline.preprocessing.thresholds import Grey, histogram_of, otsu_level

# The body is looked for in an overview of about this many pixels a side; its outline needs no more.
_OVERVIEW = 256
# A slice whose 1st and 99th percentile are nearer than this has one colour.
_LEAST_CONTRAST = 12
# Black corners, within so many grey levels, are no picture but filling (round fields of view).
_FILLING_TOLERANCE = 8
# Share of the picture's shorter side.
_INSET = 0.03
# Of a picture's side, an opening in the body wall up to this share is a lung cut by the picture's edge.
_WIDEST_OPENING = 0.8
# So near to the picture's edge, in the overview's pixels, thin tissue is kept.
_RIM = 12
# The level lies at this share of the way from lung to tissue: above the middle, so that
# ground-glass passes, below fat.
_LUNG_SHARE = 0.7
# Where a border runs is decided in the middle: half of a pixel there is lung, half chest wall.
_BORDER_SHARE = 0.55
# Below air plus this share of the way to the level there is gas and no lung, which holds vessels.
_AIRWAY_SHARE = 0.14
# Air darker than this is cut off at black, and lung with it: darkness no longer tells them apart.
_DARKEST_KNOWN_AIR = 4
# Black corners are filling where nearly all of the slice is brighter than this share of its usual dark
# grey; else they are air that the window cuts off at black (mediastinal windows). Then lung is black
# too, in at least this share of the body, and fat is the next thing above it.
_FILLING_GAP = 0.5
_LEAST_FILLING, _SATURATED = 0.02, 250
_BLACK, _SHARE_ABOVE_BLACK, _LEAST_BLACK_SHARE = 2, 0.15, 0.002
# Inside the body, dark and tissue differ at least by this share of what air and tissue differ by
# (fat does less).
_LEAST_LUNG_CONTRAST, _LEAST_LUNG_CONTRAST_ON_BLACK = 0.3, 0.75


@dataclass(frozen=True, eq=False)
class Body:
    """The body of a slice.

    `mask` is the body with everything in it, `corners` what hangs together with the picture's corners,
    (rows, columns) uint8 with 0 and 255, in the slice's own size. `level` is where dark ends and tissue
    begins inside, `air` the usual grey around the patient (None where none is seen), `border_level` what
    half lung and half tissue gives, all in grey levels.
    `box` is (left, top, width, height) and `area` the mask's count of pixels; an area of 0 means that
    there is no body.
    """

    mask: Binary
    corners: Binary
    level: float
    air: float | None
    box: tuple[int, int, int, int]
    area: int
    border_level: float

    @property
    def knows_air(self) -> bool:
        """Whether air is seen and isn't cut off at black, so that gas can be told from lung."""
        return self.air is not None and self.air >= _DARKEST_KNOWN_AIR

    @property
    def gas_level(self) -> float:
        """The grey level up to which there is gas (airways, bowel) rather than lung."""
        air = self.air or 0.0
        return air + _AIRWAY_SHARE * (self.level - air)

    @property
    def center(self) -> tuple[float, float]:
        """The middle of the box, (column, row)."""
        left, top, width, height = self.box
        return left + width / 2, top + height / 2


def find_body(grey: Grey) -> Body:
    """Find the body: the largest bright part, thin bridges (table, clothing) cut, with all that it
    encloses.

    Lungs that the picture's edge cuts open are enclosed too: between two bright pixels of a side the edge
    counts as body wall, unless the opening is most of the side.
    """
    step = max(1, max(grey.shape) // _OVERVIEW)
    small = (
        grey if step == 1 else cv2.resize(grey, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    )
    filling = _filling(small)
    seen = cv2.bitwise_not(filling)
    histogram = histogram_of(small, seen)
    outer = _levels(histogram)
    if outer is None:
        nothing = np.zeros_like(grey)
        return Body(nothing, nothing, 0.0, None, (0, 0, 0, 0), 0, 0.0)
    black_air = _is_black_air(filling, histogram, outer)
    if black_air:
        outer = _Levels(0.0, outer.bright)
    tissue = cv2.bitwise_and(cv2.threshold(small, outer.at(0.5), 255, cv2.THRESH_BINARY)[1], seen)
    mask = _with_enclosed(keep_largest(_without_bridges(tissue), count=1))
    inside = histogram_of(small, mask)
    level, border_level = (
        _lung_level(inside, outer, share, black_air=black_air) for share in (_LUNG_SHARE, _BORDER_SHARE)
    )
    outside = cv2.bitwise_and(cv2.bitwise_not(mask), seen)
    air = _air_level(small, outside, level)
    mask, corners = _enlarge(mask, grey.shape), _enlarge(_with_corners(filling), grey.shape)
    box = tuple(int(value) for value in cv2.boundingRect(mask))
    area = int(cv2.countNonZero(mask))
    return Body(mask, corners, level, air, (box[0], box[1], box[2], box[3]), area, border_level)


def _lung_level(inside: NDArray[np.float64], outer: _Levels, share: float, *, black_air: bool) -> float:
    """Return the level at `share` of the way from lung to tissue, from the histogram inside the body.

    Where the window cuts air off at black, lung is black too or nearly so, and what is merely darker is fat.
    """
    inner = _levels(inside)
    least = _LEAST_LUNG_CONTRAST
    if black_air:
        least = _LEAST_LUNG_CONTRAST_ON_BLACK
        if inside[: _BLACK + 1].sum() >= _LEAST_BLACK_SHARE * inside.sum():
            return _level_above_black(inside, outer)
    if inner is None or inner.contrast < least * outer.contrast:
        inner = outer
    return inner.at(share)


def _level_above_black(inside: NDArray[np.float64], outer: _Levels) -> float:
    """Return the level between black and the darkest tissue, which is fat."""
    tissue = inside.copy()
    tissue[: int(outer.at(_SHARE_ABOVE_BLACK)) + 1] = 0
    return max(outer.at(_SHARE_ABOVE_BLACK), _LUNG_SHARE * _quantile(tissue, 0.1))


@dataclass(frozen=True)
class _Levels:
    """The usual grey of the dark and of the bright pixels.

    Medians, so that disease, bone and contrast agent hardly move the middle between them.
    """

    dark: float
    bright: float

    def at(self, share: float) -> float:
        """Return the level at `share` of the way from dark to bright; just above black where dark is
        cut off.
        """
        if self.dark <= _BLACK:
            share = min(share, _SHARE_ABOVE_BLACK)
        return self.dark + share * self.contrast

    @property
    def contrast(self) -> float:
        return self.bright - self.dark


def _levels(histogram: NDArray[np.float64]) -> _Levels | None:
    """Return the medians of Otsu's two classes; None where there is no contrast."""
    if not histogram.any() or _quantile(histogram, 0.99) - _quantile(histogram, 0.01) < _LEAST_CONTRAST:
        return None
    cut = otsu_level(histogram)
    dark, bright = histogram.copy(), histogram.copy()
    dark[cut + 1 :] = 0
    bright[: cut + 1] = 0
    return _Levels(_quantile(dark, 0.5), _quantile(bright, 0.5))


def _quantile(histogram: NDArray[np.float64], share: float) -> float:
    cumulated = np.cumsum(histogram)
    return float(np.searchsorted(cumulated, share * cumulated[-1]))


def _filling(grey: Grey) -> Binary:
    """Mark what hangs together with the picture's corners in black, or almost.

    Pixels a little inside the corners begin it too, for pictures with a line or a strip at their edge.
    """
    height, width = grey.shape
    marks = np.zeros((height + 2, width + 2), dtype=np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    for inset in (0, round(_INSET * min(height, width))):
        for row in (inset, height - 1 - inset):
            for column in (inset, width - 1 - inset):
                if grey[row, column] <= _FILLING_TOLERANCE and not marks[row + 1, column + 1]:
                    seed = (column, row)
                    cv2.floodFill(grey, marks, seed, 0, _FILLING_TOLERANCE, _FILLING_TOLERANCE, flags)
    return marks[1:-1, 1:-1].copy()


def _is_black_air(filling: Binary, histogram: NDArray[np.float64], outer: _Levels) -> bool:
    """Return whether black corners are air: the rest goes down to black too, and tissue isn't white."""
    enough = cv2.countNonZero(filling) >= _LEAST_FILLING * filling.size
    goes_to_black = _quantile(histogram, 0.05) <= max(_BLACK, _FILLING_GAP * outer.dark)
    return enough and goes_to_black and outer.bright < _SATURATED


def _with_corners(filling: Binary) -> Binary:
    """Return the filling and the picture's very corners: no lung reaches there."""
    marked = filling.copy()
    marked[:: max(1, marked.shape[0] - 1), :: max(1, marked.shape[1] - 1)] = 255
    return dilate(marked, radius=2)


def _without_bridges(tissue: Binary) -> Binary:
    """Cut thin bridges, but not near the picture's edge, where they may be what is left of a chest wall."""
    cut = open_(tissue, radius=1)
    rim = min(_RIM, *(side // 2 for side in tissue.shape))
    for strip in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        cut[strip] = tissue[strip]
    return cut


def _with_enclosed(tissue: Binary) -> Binary:
    walled = tissue.copy()
    for edge in (walled[0], walled[-1], walled[:, 0], walled[:, -1]):
        bright = np.flatnonzero(edge)
        gaps = np.flatnonzero(np.diff(bright) <= _WIDEST_OPENING * edge.size)
        for gap in gaps[np.diff(bright)[gaps] > 1]:
            edge[bright[gap] : bright[gap + 1]] = 255
    return fill_holes(walled)


def _air_level(grey: Grey, outside: Binary, level: float) -> float | None:
    histogram = histogram_of(grey, outside)
    histogram[int(level) + 1 :] = 0
    return _quantile(histogram, 0.5) if histogram.sum() >= 0.01 * grey.size else None


def _enlarge(mask: Binary, shape: tuple[int, ...]) -> Binary:
    if mask.shape == shape:
        return mask
    return cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
