"""Give back to a lung what its threshold lost: vessels and lesions that it encloses, disease at its outer
border.

A lung's outer border, along the ribs, is convex; consolidation that touches the pleura is as bright as the
chest wall and leaves a dent in it. The inner border is truly concave: heart, spine, hilum, diaphragm. So a
dent is filled where its opening faces outwards, with the chest wall right behind it, and no lid leads from
one lung to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.morphology import Binary

Points = NDArray[np.int32]
# Dents narrower or shallower than this, in pixels, are the closing's business.
_NARROWEST, _SHALLOWEST = 8.0, 1.5
# Cosine between a dent's opening and the way from the body's middle: outwards, not towards the spine.
_FACING_OUT = 0.2
# The wall behind a dent is at most this share of the body's width; behind heart and diaphragm lies more.
_THICKEST_WALL = 0.27
# A lid is arched as the ribs are: the arc's radius as a share of the body's width, and its height at most.
_ARC_RADIUS, _HIGHEST_ARC = 0.25, 0.2
_ALONG = np.linspace(0.1, 0.9, 9)[:, None]


def fill_holes_and_dents(
    lung: Binary, *, origin: tuple[int, int], body: Body, largest_hole: float, depth: float
) -> Binary:
    """Return one lung with its holes up to `largest_hole` pixels and its outer dents filled.

    `lung` is a part of the slice that begins at `origin` (column, row). A larger hole stays: a dome of the
    diaphragm. `depth` is the greatest depth of a dent that is filled, as a share of the width of its opening.
    """
    contours, hierarchy = cv2.findContours(lung, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return lung
    filled = lung.copy()
    is_hole = hierarchy.reshape(-1, 4)[:, 3] >= 0
    holes = [
        c for c, hole in zip(contours, is_hole, strict=True) if hole and cv2.contourArea(c) <= largest_hole
    ]
    cv2.drawContours(filled, holes, -1, 255, cv2.FILLED)
    if depth > 0:
        border = max((c for c, hole in zip(contours, is_hole, strict=True) if not hole), key=len).reshape(
            -1, 2
        )
        middle = border.mean(axis=0)
        dents = [
            _arched(dent, body) for dent in _dents(border, middle) if _is_outer(dent, origin, body, depth)
        ]
        cv2.fillPoly(filled, dents, 255)
    return filled


@dataclass(frozen=True, eq=False)
class _Dent:
    """A stretch of a lung's border inside its hull: its points, and its lid's middle, width and normal."""

    points: Points
    middle: NDArray[np.float64]
    width: float
    normal: NDArray[np.float64]
    depth: float


def _dents(border: Points, middle_of_lung: NDArray[np.float64]) -> list[_Dent]:
    """Return the dents of a closed border (n, 2) that are wide and deep enough to matter."""
    corners = np.sort(cv2.convexHull(border, returnPoints=False).ravel())
    lids = np.roll(border[corners], -1, axis=0) - border[corners]
    widths = np.hypot(lids[:, 0], lids[:, 1])
    found = []
    for index in np.flatnonzero(widths >= _NARROWEST):
        start, end = int(corners[index]), int(corners[(index + 1) % corners.size])
        points = border[start : end + 1] if start < end else np.vstack([border[start:], border[: end + 1]])
        normal = np.array([lids[index, 1], -lids[index, 0]]) / widths[index]
        middle = (points[0] + points[-1]) / 2
        if normal @ (middle - middle_of_lung) < 0:
            normal = -normal
        depth = float(np.abs((points - points[0]) @ normal).max())
        if depth >= _SHALLOWEST:
            found.append(_Dent(np.ascontiguousarray(points), middle, float(widths[index]), normal, depth))
    return found


def _is_outer(dent: _Dent, origin: tuple[int, int], body: Body, depth: float) -> bool:
    if dent.depth > depth * dent.width or _spans_both_sides(dent, origin, body):
        return False
    middle = dent.middle + origin
    way_out = middle - body.center
    if dent.normal @ way_out < _FACING_OUT * np.hypot(*way_out):
        return False
    behind = np.rint(middle + dent.normal * _THICKEST_WALL * body.box[2]).astype(int)
    rows, columns = body.mask.shape
    inside = 0 <= behind[0] < columns and 0 <= behind[1] < rows
    return not (inside and body.mask[behind[1], behind[0]])


def _spans_both_sides(dent: _Dent, origin: tuple[int, int], body: Body) -> bool:
    """Return whether a lid leads from one lung to the other: behind it lies spine or heart."""
    start, end = dent.points[[0, -1], 0] + origin[0] - body.center[0]
    return bool(start * end < 0)


def _arched(dent: _Dent, body: Body) -> Points:
    """Return a dent's outline (n, 2) with its lid arched outwards, where that is a pixel or more."""
    height = dent.width * min(_HIGHEST_ARC, dent.width / (8 * _ARC_RADIUS * body.box[2]))
    if height < 1:
        return dent.points
    start, end = dent.points[0], dent.points[-1]
    lid = end + _ALONG * (start - end) + 4 * height * _ALONG * (1 - _ALONG) * dent.normal
    return np.vstack([dent.points, np.rint(lid).astype(np.int32)])
