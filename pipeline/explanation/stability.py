"""Does the map stay when the slice changes by what no reader would see?"""

from __future__ import annotations

import cv2
import numpy as np

SHIFT = 2  # pixels of the network's input, to each of four sides
NOISE = 0.01  # standard deviation over the range of 255 grey levels
DRAWS = 3


def perturbed(image: np.ndarray, *, seed: int = 0) -> list[np.ndarray]:
    """Return the slice moved to four sides, then with three draws of noise; float32 in [0, 255].

    A shift of two pixels is a sixteenth of a cell of the feature map: the map must stay in its place.
    """
    size = image.shape[0]
    moved = []
    for across, down in ((SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)):
        matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
        shifted = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        moved.append(shifted.reshape(image.shape))
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        noise = rng.normal(0, 255 * NOISE, image.shape).astype(np.float32)
        moved.append(np.clip(image + noise, 0, 255))
    return moved


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Spearman's correlation of two maps' values; None where one of them is constant.

    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])), 6)
    1.0
    """
    return correlation(_ranks(one.ravel()), _ranks(other.ravel()))


def correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Pearson's correlation of two maps' values; None where one of them is constant."""
    if any(values.size < 2 or np.ptp(values) == 0 for values in (one, other)):
        return None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal ones share their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: np.ndarray = (last - (count - 1) / 2)[place]
    return ranks
