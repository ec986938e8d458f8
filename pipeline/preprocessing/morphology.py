"""Binary morphology in OpenCV with scikit-image's structuring elements.

Pictures are uint8, 0 and 255. What lies outside the picture never wins: it erodes nothing and dilates
nothing, as in scikit-image's `mode="ignore"`, so the results agree with it up to the border.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Kernel = Literal["disk", "square"]
Binary = NDArray[np.uint8]


@cache
def structuring_element(kernel: Kernel, radius: int) -> NDArray[np.uint8]:
    """Return `skimage.morphology.disk(radius)`, or the square of side 2 * radius + 1."""
    steps = np.arange(-radius, radius + 1)
    if kernel == "square":
        return np.ones((steps.size, steps.size), dtype=np.uint8)
    return (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.uint8)


def erode(mask: Binary, *, radius: int, kernel: Kernel = "disk") -> Binary:
    """Erode; radius 0 does nothing."""
    return mask if radius == 0 else cv2.erode(mask, structuring_element(kernel, radius))


def dilate(mask: Binary, *, radius: int, kernel: Kernel = "disk") -> Binary:
    """Dilate; radius 0 does nothing."""
    return mask if radius == 0 else cv2.dilate(mask, structuring_element(kernel, radius))


def close(mask: Binary, *, radius: int, kernel: Kernel = "disk") -> Binary:
    """Close: dilate, then erode; radius 0 does nothing."""
    return (
        mask if radius == 0 else cv2.morphologyEx(mask, cv2.MORPH_CLOSE, structuring_element(kernel, radius))
    )


def open_(mask: Binary, *, radius: int, kernel: Kernel = "disk") -> Binary:
    """Open: erode, then dilate; radius 0 does nothing."""
    return (
        mask if radius == 0 else cv2.morphologyEx(mask, cv2.MORPH_OPEN, structuring_element(kernel, radius))
    )


def flood_from_border(passable: Binary) -> Binary:
    """Return the part of `passable` that hangs together with the picture's border, over 4-neighbours."""
    framed = cv2.copyMakeBorder(passable, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=255)
    cv2.floodFill(framed, None, (0, 0), 128)
    return np.where(framed[1:-1, 1:-1] == 128, np.uint8(255), np.uint8(0))


def clear_border(mask: Binary) -> Binary:
    """Remove what touches the border, over 8-neighbours, as `skimage.segmentation.clear_border` does."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=255)
    cv2.floodFill(framed, None, (0, 0), 0, flags=8)
    return framed[1:-1, 1:-1].copy()


def fill_holes(mask: Binary) -> Binary:
    """Fill what the mask encloses, as `scipy.ndimage.binary_fill_holes` does."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 255)
    # The flood has reached what is outside; what is still 0 is enclosed.
    return np.where(framed[1:-1, 1:-1] == 0, np.uint8(255), mask)


def keep_largest(mask: Binary, *, count: int) -> Binary:
    """Keep the `count` largest 8-connected components; of equal ones, the first in reading order."""
    labels_count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if labels_count - 1 <= count:
        return mask
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:count]
    lookup = np.zeros(labels_count, dtype=np.uint8)
    lookup[largest] = 255
    return lookup[labels]
