"""Letters, arrows, rulers: what was drawn into a slice outside the body, where only air and the table are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.morphology import Binary

_STROKE = 110  # grey levels above the air that the inside of a stroke reaches
_ABOVE_AIR = 48  # grey levels: what is less above the air than this is haze, clothes, partial volume
_LEAST_AIR = 0.01  # of the picture: with less of it in view, nothing can be told from the body
_LARGEST = 0.1  # of the picture's longer side; the table and its parts are wider
_LEAST_HEIGHT, _SINGLE_HEIGHT = 0.012, 0.022  # of the longer side: in a line of text, and alone
_THICKEST = 0.012  # of the longer side, half a stroke
_FULLEST = 0.8  # share of its box that a letter fills
_EVEN, _GAP = 0.4, 2.0  # of the height: how much heights in a line differ, how far its letters are apart
_MOST_PARTS = 600
_PAPER, _PICTURE = 235, 200  # grey levels: white of a margin, and what is clearly not
_MARGIN = 0.15  # of the picture's side, how deep a margin is
_WHOLE, _DARKER = 0.96, 0.6  # share of a row that is white, and of the next ones that is not


def count_marks(grey: NDArray[np.uint8], body: Binary) -> int:
    """Return how many bright, thin, compact things stand free in the air: letters and the like.

    The table, clothes and cables hang together with something larger, or are not as bright. A single thing
    must be as large as a letter to be counted; small ones count from two in a line.

    Args:
        grey: (rows, columns) uint8, as it is shown.
        body: (rows, columns) uint8, 0 and 255.
    """
    air = cv2.calcHist([grey], [0], cv2.bitwise_not(body), [256], [0, 256]).ravel().cumsum()
    level = float(np.searchsorted(air, air[-1] / 2))
    if air[-1] < _LEAST_AIR * grey.size or level + _STROKE >= 255:
        return 0
    standing = cv2.threshold(grey, level + _ABOVE_AIR, 255, cv2.THRESH_BINARY)[1]
    standing = cv2.bitwise_or(standing, _hull(body))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(standing, connectivity=8)
    side = max(grey.shape)
    candidates = np.flatnonzero(_fits(stats, grey.shape))[:_MOST_PARTS]
    boxes = [
        stats[label]
        for label in candidates
        if _is_glyph(grey, labels, int(label), stats[label], side, least=level + _STROKE)
    ]
    return sum(
        bool(box[cv2.CC_STAT_HEIGHT] >= _SINGLE_HEIGHT * side) or any(_in_line(box, other) for other in boxes)
        for box in boxes
    )


def count_frames(grey: NDArray[np.uint8]) -> int:
    """Return along how many of its sides a picture ends in a white line or margin, 0 to 4."""
    return sum(_has_margin(turned) for turned in (grey, grey[::-1], grey.T, grey.T[::-1]))


def _has_margin(grey: NDArray[np.uint8]) -> bool:
    """Return whether the first rows are white and the picture then begins, darker, at once."""
    reach = max(3, round(_MARGIN * grey.shape[0]))
    first = grey[: reach + 3]
    white = (first >= _PAPER).mean(axis=1) >= _WHOLE
    ends = np.flatnonzero(white[:reach] & ~white[1 : reach + 1])
    return any(bool((first[end + 1 : end + 4] < _PICTURE).mean(axis=1).max() >= _DARKER) for end in ends)


def _hull(body: Binary) -> Binary:
    """Return the body with every bay filled: lungs that the picture's edge cuts open are in it."""
    filled = np.zeros_like(body)
    outlines, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if outlines:
        cv2.fillConvexPoly(filled, cv2.convexHull(np.concatenate(outlines)), 255)
    return filled


def _fits(stats: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which parts have the box of a letter: not too large, not full, not cut by the picture's edge.

    What the edge cuts is more likely a frame, the table or another picture.
    """
    left, top, width, height, area = stats.T
    side = max(shape)
    fits = (height >= max(5.0, _LEAST_HEIGHT * side)) & (height <= _LARGEST * side)
    fits &= (width >= 2) & (width <= _LARGEST * side)
    fits &= (np.minimum(top, left) > 0) & (top + height < shape[0]) & (left + width < shape[1])
    return np.asarray(fits & ((area <= _FULLEST * width * height) | (np.minimum(width, height) <= 4)))


def _is_glyph(
    grey: NDArray[np.uint8],
    labels: NDArray[np.int32],
    label: int,
    stats: NDArray[np.int32],
    side: int,
    *,
    least: float,
) -> bool:
    left, top, width, height, _ = (int(value) for value in stats)
    own = labels[top : top + height, left : left + width] == label
    inside = np.pad(own.astype(np.uint8), 1)
    if cv2.distanceTransform(inside, cv2.DIST_L2, 3).max() > max(2.5, _THICKEST * side):
        return False
    values = grey[top : top + height, left : left + width][own]
    return bool(np.percentile(values, 80) >= least)


def _in_line(box: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    """Return whether another letter stands beside this one, of its height."""
    left, top, width, height = (int(value) for value in box[:4])
    their_left, their_top, their_width, their_height = (int(value) for value in other[:4])
    if (left, top) == (their_left, their_top):
        return False
    gap = max(left, their_left) - min(left + width, their_left + their_width)
    return (
        gap <= _GAP * height
        and abs(height - their_height) <= _EVEN * height
        and abs(top + height - their_top - their_height) <= _EVEN * height
    )
