"""The steps of HUST-19's authors, as they describe them: lungs are the holes of the body.

The largest bright part is the body. A flood from the four corners reaches the air around it; what it
doesn't reach and isn't body, the inverse, are its holes. The two largest are dilated with a 5 x 5 square
three times, eroded twice, closed with a 10 x 10 square twice and smoothed with a median of 21.
"""

from __future__ import annotations

import cv2

from pipeline.preprocessing.lungs.isolation import Isolation
from pipeline.preprocessing.morphology import Binary, close, dilate, erode, flood_from_border, keep_largest
from pipeline.preprocessing.parameters import Lungs

# Three dilations by a 5 x 5 square are one by a 13 x 13 square; likewise the recipe's erosion
# (9 x 9) and closing.
_DILATION_RADIUS = 6
_MEDIAN = 21


def isolate(dark: Binary, lungs: Lungs) -> Isolation:
    """Return the lungs among the `dark` pixels of a slice (rows, columns), uint8 with 0 and 255."""
    body = keep_largest(cv2.bitwise_not(dark), count=1)
    around = cv2.bitwise_not(body)
    holes = cv2.bitwise_xor(around, flood_from_border(around))
    chosen = keep_largest(holes, count=lungs.keep)
    eroded = erode(
        dilate(chosen, radius=_DILATION_RADIUS, kernel="square"), radius=lungs.erosion_radius, kernel="square"
    )
    closed = close(eroded, radius=lungs.closing_radius, kernel="square")
    return Isolation(eroded, closed, cv2.medianBlur(closed, _MEDIAN))
