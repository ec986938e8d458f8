"""Colour in slices that should be grey: how much there is, and marks drawn in colour, filled in.

Arrows, boxes and letters are no part of the patient. They are filled from what is around them, and only they:
under a larger patch, such as a lesion painted over, a fill would invent what is there, and a picture with
much colour is a photograph or tinted as a whole.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.morphology import Binary, dilate

COLOUR_NOTE = "colour image, turned to grey"
FILLED_NOTE = "marks drawn in colour filled from what is around them"
_LUMINANCE = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red
_APART = 0.12  # of the range, between a pixel's channels: chroma noise of JPEG stays below
_VIVID = 0.25  # of the range, somewhere in a mark: tints are paler, the fringes of its strokes too
# Of the picture: letters, arrows and outlines take 0.01 and less. A slice covered with boxes, 0.09 of it, was
# no slice any more once it was filled; a tinted one has 0.27.
_MOST = 0.03
_THICKEST = 0.03  # of the longer side, half a mark's thickness: arrowheads and letters have less
_RIM = 1  # pixels about a mark that go with it: strokes end softly, and JPEG smears them
_AROUND = 3  # pixels about a pixel that it is filled from


def colored_share(colour: NDArray[Any]) -> float:
    """Return the share of pixels whose channels lie clearly apart; 0 only where all channels are equal.

    Args:
        colour: (rows, columns, 3 or more), any depth; a fourth channel takes no part.
    """
    first, second, third = (cv2.extractChannel(colour, channel) for channel in range(3))
    if np.array_equal(first, second) and np.array_equal(first, third):
        return 0.0
    return max(float((_spread(colour) > _APART).mean()), float(np.finfo(np.float32).tiny))


def grey_of_color(colour: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return the luminance of a picture without marks, and whether there were any.

    Args:
        colour: (rows, columns, 3), blue, green, red.

    Returns:
        (rows, columns), uint8 where the picture is, else float32 in its range.
    """
    if colour.dtype == np.uint8:
        return without_marks(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), colour)
    return without_marks(colour.astype(np.float32) @ _LUMINANCE, colour)


def without_marks(grey: NDArray[Any], colour: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return a picture's luminance with marks filled in, and whether there were any.

    Edges are continued into the gap (Bertalmio, Bertozzi and Sapiro 2001).

    Args:
        grey: (rows, columns), uint8 or float32.
        colour: the same picture in colour, (rows, columns, 3).
    """
    marks = find_color_marks(colour)
    if not marks.any():
        return grey, False
    return np.asarray(cv2.inpaint(grey, marks, _AROUND, cv2.INPAINT_NS)), True


def find_color_marks(colour: NDArray[Any]) -> Binary:
    """Return where thin marks in vivid colour are drawn, (rows, columns) uint8, 0 and 255."""
    spread = _spread(colour)
    apart = np.where(spread > _APART, np.uint8(255), np.uint8(0))
    nothing = np.zeros_like(apart)
    if spread.max() <= _VIVID or cv2.countNonZero(apart) > _MOST * apart.size:
        return nothing
    _, labels = cv2.connectedComponents(apart, connectivity=8)
    half = cv2.distanceTransform(np.pad(apart, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    is_mark = np.zeros(labels.max() + 1, bool)
    is_mark[labels[spread > _VIVID]] = True
    is_mark[labels[half > _THICKEST * max(apart.shape)]] = False
    return dilate(np.where(is_mark[labels], np.uint8(255), nothing), radius=_RIM)


def notes_on_color(colored: float, *, filled: bool) -> tuple[str, ...]:
    """Return what is said of a slice with this share in colour."""
    if colored == 0:
        return ()
    return (COLOUR_NOTE, FILLED_NOTE) if filled else (COLOUR_NOTE,)


def _spread(colour: NDArray[Any]) -> NDArray[np.float32]:
    """Return how far a pixel's channels lie apart, as a share of the range, float32 (rows, columns)."""
    first, second, third = (cv2.extractChannel(colour, channel) for channel in range(3))
    most, least = cv2.max(cv2.max(first, second), third), cv2.min(cv2.min(first, second), third)
    whole = np.iinfo(most.dtype).max if most.dtype.kind in "iu" else max(float(most.max()), 1e-30)
    return cv2.subtract(most, least, dtype=cv2.CV_32F) / np.float32(whole)
