"""The network's view of a slice: all of it, or a square window around body or lungs.

The window keeps the aspect, lies within the recipe's square, and is enlarged to it; the slice's own padding
is the only padding. So a pixel of the output always is a pixel of the slice, and the way there an affine map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.geometry import resize_to
from pipeline.preprocessing.morphology import Binary

# Of the square's side: a smaller thing is no body, and would be enlarged to a blur.
_LEAST_SIDE = 0.15


@dataclass(frozen=True)
class View:
    """A square window of `side` pixels from `top`, `left` in a square of `size`, enlarged to `size`."""

    size: int
    top: int
    left: int
    side: int

    @classmethod
    def whole(cls, size: int) -> View:
        """Return the view of all of a square."""
        return cls(size, top=0, left=0, side=size)

    @property
    def is_whole(self) -> bool:
        return self.side == self.size

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine map (3, 3) from the square's (column, row) to the view's, both at pixel centres."""
        scale = self.size / self.side
        shift = [scale * (0.5 - start) - 0.5 for start in (self.left, self.top)]
        return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]], [0.0, 0.0, 1.0]])

    def of(self, square: NDArray[np.uint8], *, binary: bool = False) -> NDArray[np.uint8]:
        """Return the window of a picture (size, size), enlarged; with `binary` it keeps to 0 and 255."""
        if self.is_whole:
            return square
        window = square[self.top : self.top + self.side, self.left : self.left + self.side]
        enlarged = resize_to(np.ascontiguousarray(window), rows=self.size, columns=self.size)
        return cv2.threshold(enlarged, 127, 255, cv2.THRESH_BINARY)[1] if binary else enlarged


def view_around(mask: Binary, *, margin: int) -> View:
    """Return the view of what a square mask (size, size) holds and `margin` pixels around it.

    A mask that is empty, or too small to be a body or a lung, gives the whole square.
    """
    size = mask.shape[0]
    left, top, width, height = (int(value) for value in cv2.boundingRect(mask))
    if max(width, height) < _LEAST_SIDE * size:
        return View.whole(size)
    side = min(size, max(width, height) + 2 * margin)
    return View(size, _start(top, height, side, size), _start(left, width, side, size), side)


def _start(start: int, length: int, side: int, size: int) -> int:
    """Return where a window of `side` begins that has a stretch in its middle and stays inside."""
    return min(max(start + (length - side) // 2, 0), size - side)
