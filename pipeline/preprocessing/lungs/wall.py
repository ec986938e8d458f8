"""Where the chest wall's inner border runs across a gap.

A straight lid over a dent cuts off what lay between it and the ribs, the more the wider the dent. Along the
ribs the wall's thickness, measured from the skin, changes slowly: between the ends of a gap it is
interpolated, and that far under the skin the border runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.preprocessing.lungs.body import Body

# Pixels: over narrower gaps a straight line is as good.
NARROWEST_ARC = 16.0
# The arc rises at most by this share of the gap's width: a half circle would by 0.5.
_HIGHEST_ARC = 0.25
_STEPS = 24


def outer_arc(
    points: NDArray[np.int32], normal: NDArray[np.float64], origin: tuple[int, int], body: Body
) -> NDArray[np.int32]:
    """Return the outline (n, 2), column and row, between a gap's straight lid and the wall behind it.

    `points` run along the gap, its ends first and last, in a part of the slice that begins at `origin`;
    `normal` points outwards.
    """
    start, end = points[0].astype(np.float64), points[-1].astype(np.float64)
    along = np.linspace(0, 1, _STEPS)
    lid = start + along[:, None] * (end - start)
    # A flat curve through both ends bounds the arc, so that it meets the border without a step.
    highest = 4 * _HIGHEST_ARC * np.hypot(*(end - start)) * along * (1 - along)
    heights = np.linspace(0, 1, _STEPS) * highest[:, None]
    thickness = _thickness(lid[:, None] + heights[..., None] * normal + origin, body)
    wanted = np.interp(along, [0, 1], [thickness[0, 0], thickness[-1, 0]])
    reached = np.cumprod(thickness >= wanted[:, None], axis=1).sum(axis=1)
    height = np.take_along_axis(heights, np.maximum(reached - 1, 0)[:, None], axis=1)
    return np.rint(np.vstack([lid + height * normal, end[None], start[None]])).astype(np.int32)


def _thickness(places: NDArray[np.float64], body: Body) -> NDArray[np.float64]:
    """Return how far under the skin each place (..., 2) lies, in steps of two pixels."""
    depth = body.depth
    column, row = np.rint(places / 2).astype(int)[..., 0], np.rint(places / 2).astype(int)[..., 1]
    row, column = np.clip(row, 0, depth.shape[0] - 1), np.clip(column, 0, depth.shape[1] - 1)
    return depth[row, column]
