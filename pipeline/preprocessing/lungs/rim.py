"""Move the rim of a lung mask to where the border runs.

The level between lung and tissue is high, so that ground-glass passes. A scanner blurs the border, so beside
normally dark lung that level lies a pixel too far out. Beside disease the rim is bright for another reason
and stays; there the mask, which ends where the last darkness does, even lies a pixel too far in.
"""

from __future__ import annotations

import cv2

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.morphology import Binary, dilate, erode
from pipeline.preprocessing.thresholds import Grey

_NEIGHBOURHOOD = 5
# Share of the neighbourhood that is dark lung where the rim is nothing but a blurred border.
_DARK_SHARE = 0.36
# Less than this share of the neighbourhood is dark lung beside disease.
_DISEASED_SHARE = 0.2


def move_rim(mask: Binary, grey: Grey, body: Body) -> Binary:
    """Return `mask` (rows, columns) without the rim's pixels brighter than half lung, half tissue, and with
    one pixel more beside disease.
    """
    bright = cv2.compare(grey, body.border_level, cv2.CMP_GT)
    dark_lung = cv2.bitwise_and(mask, cv2.bitwise_not(bright))
    share = cv2.blur(dark_lung, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
    blurred_border = cv2.compare(share, 255 * _DARK_SHARE, cv2.CMP_GT)
    diseased = cv2.compare(share, 255 * _DISEASED_SHARE, cv2.CMP_LT)
    outer = dilate(mask, radius=1) & diseased & bright & body.mask
    return erode(mask, radius=1) | (mask & ~(bright & blurred_border)) | outer
