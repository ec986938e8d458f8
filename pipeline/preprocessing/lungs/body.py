"""The body in a slice: its outline, what lies around it, and the level between lung and tissue inside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.morphology import Binary, fill_holes, keep_largest, open_
from pipeline.preprocessing.thresholds import Grey, histogram_of, otsu_level

# The body is looked for in an overview of about this many pixels a side; its outline needs no more.
_OVERVIEW = 256
# A slice whose 1st and 99th percentile are nearer than this has one colour.
_LEAST_CONTRAST = 12
# Black corners, within so many grey levels, are no picture but filling (round fields of view).
_FILLING_TOLERANCE = 2
# Of a picture's side, an opening in the body wall up to this share is a lung cut by the picture's edge.
_WIDEST_OPENING = 0.7
# So near to the picture's edge, in the overview's pixels, thin tissue is kept.
_RIM = 12
# Inside the body, dark and tissue differ at least by this share of what air and tissue differ by (fat does
# less).
_LEAST_LUNG_CONTRAST = 0.3


@dataclass(frozen=True, eq=False)
class Body:
    """The body of a slice.
     `mask` is the body with everything in it and `outside` the air and table around it, (rows, columns) uint8
    with 0 and 255, in the slice's own size. `level` is where dark ends and tissue begins inside, `air` the
    usual grey around the patient (None where none is seen), both in grey levels. `box` is (left, top, width,
    height) and `area` the mask's count of pixels; an area of 0 means that there is no body.
    """

    mask: Binary
    outside: Binary
    level: float
    air: float | None
    box: tuple[int, int, int, int]
    area: int

    @property
    def center(self) -> tuple[float, float]:
        """The middle of the box, (column, row)."""
        left, top, width, height = self.box
        return left + width / 2, top + height / 2


def find_body(grey: Grey) -> Body:
    """Find the body: the largest bright part, thin bridges (table, clothing) cut, with all that it encloses.
     Lungs that the picture's edge cuts open are enclosed too: between two bright pixels of a side the edge
    counts as body wall, unless the opening is most of the side.
    """
    step = max(1, max(grey.shape) // _OVERVIEW)
    small = (
        grey if step == 1 else cv2.resize(grey, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    )
    seen = cv2.bitwise_not(_filling(small))
    outer = _levels(histogram_of(small, seen))
    if outer is None:
        nothing = np.zeros_like(grey)
        return Body(nothing, nothing, 0.0, None, (0, 0, 0, 0), 0)
    tissue = cv2.bitwise_and(cv2.threshold(small, outer.middle, 255, cv2.THRESH_BINARY)[1], seen)
    mask = _with_enclosed(keep_largest(_without_bridges(tissue), count=1))
    inner = _levels(histogram_of(small, cv2.bitwise_and(mask, seen)))
    is_lung = inner is not None and inner.contrast >= _LEAST_LUNG_CONTRAST * outer.contrast
    level = inner.middle if inner is not None and is_lung else outer.middle
    outside = cv2.bitwise_and(cv2.bitwise_not(mask), seen)
    air = _air_level(small, outside, level)
    mask, outside = _enlarge(mask, grey.shape), _enlarge(outside, grey.shape)
    box = tuple(int(value) for value in cv2.boundingRect(mask))
    return Body(mask, outside, level, air, (box[0], box[1], box[2], box[3]), int(cv2.countNonZero(mask)))


@dataclass(frozen=True)
class _Levels:
    """The usual grey of the dark and of the bright pixels.

    Medians, so that disease, bone and contrast agent hardly move the middle between them.
    """

    dark: float
    bright: float

    @property
    def middle(self) -> float:
        return (self.dark + self.bright) / 2

    @property
    def contrast(self) -> float:
        return self.bright - self.dark


def _levels(histogram: NDArray[np.float64]) -> _Levels | None:
    """Return the medians of Otsu's two classes; None where there is no contrast."""
    total = histogram.sum()
    if total == 0:
        return None
    cumulated = np.cumsum(histogram) / total
    if np.searchsorted(cumulated, 0.99) - np.searchsorted(cumulated, 0.01) < _LEAST_CONTRAST:
        return None
    cut = otsu_level(histogram)
    dark, bright = histogram.copy(), histogram.copy()
    dark[cut + 1 :] = 0
    bright[: cut + 1] = 0
    return _Levels(_median(dark), _median(bright))


def _median(histogram: NDArray[np.float64]) -> float:
    cumulated = np.cumsum(histogram)
    return float(np.searchsorted(cumulated, cumulated[-1] / 2))


def _filling(grey: Grey) -> Binary:
    """Mark what hangs together with the picture's corners in the darkest grey level, or almost."""
    height, width = grey.shape
    darkest = int(grey.min()) + _FILLING_TOLERANCE
    marks = np.zeros((height + 2, width + 2), dtype=np.uint8)
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        if grey[corner[1], corner[0]] <= darkest and not marks[corner[1] + 1, corner[0] + 1]:
            flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
            cv2.floodFill(grey, marks, corner, 0, _FILLING_TOLERANCE, _FILLING_TOLERANCE, flags)
    return marks[1:-1, 1:-1].copy()


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
    return _median(histogram) if histogram.sum() >= 0.01 * grey.size else None


def _enlarge(mask: Binary, shape: tuple[int, ...]) -> Binary:
    if mask.shape == shape:
        return mask
    return cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
