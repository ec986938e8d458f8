"""Lay a map from the network's grid over the slice it came from."""

from __future__ import annotations

import numpy as np


def to_slice(
    values: np.ndarray, *, matrix: np.ndarray, output_size: int, shape: tuple[int, int]
) -> np.ndarray:
    """Interpolate a map of the network's field over the slice, bilinearly and exactly.

    The unit stays that of a cell: the slice-sized map is read by value, not summed.

    Args:
        values: float (h, w), a map whose cells tile the preprocessed image evenly.
        matrix: float (2, 3), from (column, row) of the slice to (column, row) of the preprocessed image; it
            scales and shifts (preprocessing never turns a slice). Pixel centres lie at whole numbers.
        output_size: side of the preprocessed image, pixels.
        shape: rows and columns of the slice.

    Returns:
        float32 of `shape`; 0 where the network did not look.
    """
    if matrix[0, 1] or matrix[1, 0]:
        raise ValueError(f"A matrix that only scales and shifts was expected; received {matrix.tolist()}.")
    rows = _weights(shape[0], matrix[1, 1], matrix[1, 2], output_size, values.shape[0])
    columns = _weights(shape[1], matrix[0, 0], matrix[0, 2], output_size, values.shape[1])
    return rows @ values.astype(np.float32) @ columns.T


def _weights(pixels: int, scale: float, shift: float, output_size: int, cells: int) -> np.ndarray:
    """Return float32 (pixels, cells): how much each cell counts at each pixel along one axis."""
    position = np.arange(pixels) * scale + shift  # in the preprocessed image
    inside = (position >= -0.5) & (position <= output_size - 0.5)
    cell = np.clip((position + 0.5) * cells / output_size - 0.5, 0, cells - 1)
    lower = np.minimum(cell.astype(int), max(cells - 2, 0))
    share = cell - lower
    weights = np.zeros((pixels, cells), np.float32)
    index = np.arange(pixels)
    weights[index, lower] = 1 - share
    if cells > 1:
        weights[index, lower + 1] = share
    return weights * inside[:, None]
