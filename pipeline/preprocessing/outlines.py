"""Outlines of masks, as points for a viewer or drawn into a picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def outline_polygons(mask: NDArray[Any]) -> list[NDArray[np.int32]]:
    """Return the outlines of a mask (rows, columns): closed curves (n, 2) of (column, row), holes included.

    The points are centres of the mask's outermost pixels. An empty mask has none.
    """
    binary = (np.asarray(mask) > 0).astype(np.uint8)
    contours, _ = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return [contour[:, 0, :] for contour in contours]


def draw_outline(
    image: NDArray[np.uint8],
    mask: NDArray[Any],
    *,
    color: tuple[int, int, int] = (53, 194, 165),
    thickness: int = 1,
) -> NDArray[np.uint8]:
    """Return the grey or RGB picture as RGB with the mask's outline drawn in `color`."""
    picture = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    return cv2.polylines(picture, outline_polygons(mask), isClosed=True, color=color, thickness=thickness)
