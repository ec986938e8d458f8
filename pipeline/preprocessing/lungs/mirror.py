"""Take back lung that only the other side's shape gives away.

A lung with much ground-glass or haze is too bright for the threshold and leaves no dent that opens outwards:
a whole base, a lobe. The other lung, mirrored at the body's middle, says where lung is to be expected; there
what is merely hazy, darker than soft tissue, is taken in. Soft tissue never is: a heart is no lung.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.morphology import Binary, close, dilate, open_
from pipeline.preprocessing.thresholds import Grey

# So far above the level between lung and tissue, as a share of what it differs from air by, may hazy lung
# lie, its vessels smoothed away.
_HAZE_SHARE = 0.09
_SMOOTHING = 1.0
# Radii in the overview of every second pixel: how exactly the sides mirror each other, the thinnest part
# that counts, and how wide a gap to the lung is closed.
_TOLERANCE, _THINNEST, _GAP = 2, 1, 3
# Likewise: the wall of a bubble, as hazy as lung because a pixel holds both of gas and wall.
_BUBBLE_WALL = 4
# Share of the body's area.
_SMALLEST = 0.002


def add_mirrored(mask: Binary, grey: Grey, body: Body) -> Binary:
    """Return `mask` (rows, columns) with the hazy lung that the mirrored mask expects.

    Where air isn't known, the window may cut it off at black, with fat the next thing above lung: nothing is
    added.
    """
    if not body.knows_air:
        return mask
    small, found = np.ascontiguousarray(mask[::2, ::2]), _missing_haze(mask, grey, body)
    if not found.any():
        return mask
    joined = close(cv2.bitwise_or(small, found), radius=_GAP)
    added = cv2.bitwise_and(cv2.bitwise_and(joined, cv2.bitwise_not(small)), dilate(found, radius=2))
    rows, columns = mask.shape
    added = cv2.resize(added, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return cv2.bitwise_or(mask, cv2.bitwise_and(added, body.mask))


def _missing_haze(mask: Binary, grey: Grey, body: Body) -> Binary:
    """Mark, in every second pixel, what is hazy and lung on the other side only."""
    rows, columns = mask.shape
    small = cv2.resize(grey, ((columns + 1) // 2, (rows + 1) // 2), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), _SMOOTHING)
    lung = np.ascontiguousarray(mask[::2, ::2])
    turn = np.array([[-1, 0, body.center[0]], [0, 1, 0]], dtype=np.float32)
    expected = cv2.warpAffine(lung, turn, lung.shape[::-1], flags=cv2.INTER_NEAREST)
    brightest = body.level + _HAZE_SHARE * (body.level - (body.air or 0.0))
    hazy = cv2.inRange(smooth, int(body.gas_level) + 1, min(254, int(brightest)))
    elsewhere = body.mask[::2, ::2] & ~lung
    gas = open_(cv2.compare(smooth, body.gas_level, cv2.CMP_LE) & elsewhere, radius=1)
    missing = hazy & dilate(expected, radius=_TOLERANCE) & elsewhere
    missing = open_(missing & ~dilate(gas, radius=_BUBBLE_WALL), radius=_THINNEST)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(missing)
    lookup = np.where(4 * stats[:, cv2.CC_STAT_AREA] > _SMALLEST * body.area, np.uint8(255), np.uint8(0))
    lookup[0] = 0
    return lookup[labels] if count > 1 else missing
