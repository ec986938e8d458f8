"""Edges: Roberts, Sobel and Canny, as 8-bit pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.parameters import Edges

Grey = NDArray[np.uint8]


def roberts(image: Grey) -> Grey:
    """Return Roberts' cross, as `skimage.filters.roberts` gives it (times 255, rounded).

    Magnitude over sqrt(2), so that it stays in [0, 255]. The border repeats the picture's (scikit-image
    mirrors it: the same for a kernel of two pixels).
    """
    padded = cv2.copyMakeBorder(image, 0, 1, 0, 1, cv2.BORDER_REPLICATE).astype(np.float32)
    down = padded[1:, 1:] - padded[:-1, :-1]
    up = padded[1:, :-1] - padded[:-1, 1:]
    return _length(down, up, scale=1 / np.sqrt(2))


def sobel(image: Grey) -> Grey:
    """Return Sobel's magnitude as `skimage.filters.sobel` gives it, times 255, with mirrored borders."""
    across, down = cv2.spatialGradient(image, ksize=3, borderType=cv2.BORDER_REPLICATE)
    across, down = across.astype(np.float32), down.astype(np.float32)
    return _length(across, down, scale=1 / (4 * np.sqrt(2)))


def canny(image: Grey, *, low: float, high: float) -> Grey:
    """Return Canny's edges, 0 and 255, between the two thresholds on the Sobel gradient's length.

    The picture is smoothed with a Gaussian of sigma 1 first, as scikit-image does. The lines lie within a
    pixel of scikit-image's but are not the same pixels: OpenCV takes the steepest of four directions
    where scikit-image interpolates between them.
    """
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    return cv2.Canny(smooth, low, high, L2gradient=True)


def detect_edges(image: Grey, edges: Edges) -> Grey:
    """Return the edges of an 8-bit picture (rows, columns) by the recipe's method, uint8 like it."""
    if edges.method == "roberts":
        return roberts(image)
    if edges.method == "sobel":
        return sobel(image)
    return canny(image, low=edges.low, high=edges.high)


def _length(first: NDArray[np.float32], second: NDArray[np.float32], *, scale: float) -> Grey:
    """Return the rounded length of whole-numbered gradients, times `scale`.

    Squares and their sum are exact in float32 and NumPy's root is correctly rounded, so the bytes are the
    same every time; `cv2.magnitude` was seen to differ in its last bit from call to call.
    """
    np.multiply(first, first, out=first)
    np.multiply(second, second, out=second)
    np.add(first, second, out=first)
    np.sqrt(first, out=first)
    first *= np.float32(scale)
    first += np.float32(0.5)
    return first.astype(np.uint8)
