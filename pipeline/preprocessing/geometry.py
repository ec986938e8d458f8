"""Fit a slice into a square, and know exactly where each pixel went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HilumError

Fit = Literal["pad", "stretch"]


class ModelInputError(HilumError):
    """An output that cannot be made into a model's input."""


@dataclass(frozen=True)
class Placement:
    """Where a slice of `height` x `width` lies in a square of `size`: `rows` x `columns` pixels from `top`,
    `left`.
    """

    height: int
    width: int
    size: int
    top: int
    left: int
    rows: int
    columns: int

    @property
    def content(self) -> tuple[slice, slice]:
        """The part of the square that the slice fills; the rest is padding."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine map (2, 3) from a slice's (column, row) to the square's, both at pixel centres.

        Resizing maps pixel areas: the slice's left edge -0.5 goes to the content's left edge `left - 0.5`.
        """
        across, down = self.columns / self.width, self.rows / self.height
        return np.array(
            [[across, 0.0, across / 2 - 0.5 + self.left], [0.0, down, down / 2 - 0.5 + self.top]],
            dtype=np.float64,
        )


def place(height: int, width: int, *, size: int, fit: Fit) -> Placement:
    """Return where a slice lies in a square of `size`: centred in its own aspect ("pad"), or all over it."""
    if fit == "stretch":
        return Placement(height, width, size, top=0, left=0, rows=size, columns=size)
    scale = size / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return Placement(height, width, size, (size - rows) // 2, (size - columns) // 2, rows, columns)


def resize_to(image: NDArray[Any], *, rows: int, columns: int) -> NDArray[Any]:
    """Resize (rows, columns[, channels]): area average where it shrinks, linear where it grows."""
    if image.shape[:2] == (rows, columns):
        return image
    shrinks = rows <= image.shape[0] and columns <= image.shape[1]
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def pad_to_square(content: NDArray[Any], placement: Placement, *, value: int = 0) -> NDArray[Any]:
    """Put the resized content into its square; the padding takes `value`."""
    if content.shape[:2] == (placement.size, placement.size):
        return content
    square = np.full((placement.size, placement.size, *content.shape[2:]), value, dtype=content.dtype)
    square[placement.content] = content
    return square


def mask_to_slice(mask: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """Bring a binary mask of the square back to the slice's own pixels, uint8 with 0 and 255."""
    content = mask[placement.content]
    if content.shape == (placement.height, placement.width):
        return content.copy()
    back = cv2.resize(content, (placement.width, placement.height), interpolation=cv2.INTER_LINEAR)
    return np.where(back > 127, np.uint8(255), np.uint8(0))


def to_model_input(output: NDArray[np.uint8], *, image_size: int, channels: int) -> NDArray[np.float32]:
    """Reduce a recipe's output to a model's input: THE one reduction, for training, prediction and the page.

    `output` is uint8 (size, size) or (size, size, 3). Returns float32 (image_size, image_size, channels) in
    [0, 255], by area average (linear where the model's input is the larger). One channel is repeated for a
    model of three.

    Raises: ModelInputError: the output has three different channels and the model takes one, or shapes make
    no sense.
    """
    if output.ndim not in (2, 3) or (output.ndim == 3 and output.shape[2] != 3) or 0 in output.shape:
        raise ModelInputError(
            f"Received an output of shape {output.shape}; a recipe gives (size, size) or (size, size, 3)."
        )
    if channels not in (1, 3) or image_size < 1:
        raise ModelInputError(
            f"Received image_size {image_size} and {channels} channels; a model takes 1 or 3 channels."
        )
    if output.ndim == 3 and channels == 1:
        raise ModelInputError(
            "The recipe gives three channels and the model takes one; choose the output 'grey' or 'masked', "
            "or a model with three channels."
        )
    reduced = resize_to(output.astype(np.float32), rows=image_size, columns=image_size)
    if reduced.ndim == 2:
        return np.repeat(reduced[..., None], channels, axis=2)
    return reduced
