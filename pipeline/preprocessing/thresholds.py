"""Where dark ends and tissue begins: local and global thresholds. Dark pixels are the candidates for lung.

Every function returns uint8, 255 where `image <= threshold - offset`: a positive offset takes less, a
negative more.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.parameters import Threshold

Grey = NDArray[np.uint8]
# Up to this block OpenCV's running sums are the quickest; beyond it, borders larger than the
# picture cost more.
_LARGEST_BOX = 301


def apply_threshold(
    image: Grey, slice_hu: NDArray[np.float32] | None, *, body_level: float, threshold: Threshold
) -> tuple[Grey, float | None]:
    """Mark the dark pixels by the recipe's method; return them and the level in grey levels, None for
    local methods.

    `image` is (rows, columns) uint8, `slice_hu` the same slice in HU where it has them. `body_level` is
    the level measured inside the body, for the method "body" and, where there are no HU, for "hu".
    """
    offset = threshold.offset
    if threshold.method == "local-mean":
        return local_mean(image, block=threshold.block, offset=offset), None
    if threshold.method == "local-gaussian":
        return local_gaussian(image, block=threshold.block, offset=offset), None
    if threshold.method == "hu" and slice_hu is not None:
        return fixed(slice_hu, level=threshold.level_hu), None
    if threshold.method in ("body", "hu"):
        level = body_level - offset
    elif threshold.method == "multi-otsu":
        level = multi_otsu_levels(histogram_of(image))[0] - offset
    else:
        level = otsu_level(histogram_of(image)) - offset
    return fixed(image, level=level), level


def local_mean(image: Grey, *, block: int, offset: float = 0.0) -> Grey:
    """Mark pixels not brighter than the mean of their `block` x `block` neighbourhood minus `offset`.

    The border's pixels are repeated outwards (`skimage.filters.threshold_local(..., "mean",
    mode="nearest")`). The block may be larger than the picture, as in the recipe of HUST-19's authors.
    Sums are whole numbers and exact, where OpenCV's `adaptiveThreshold` rounds the mean to 8 bits first.
    """
    sums = _box_sums(image, block)
    # Whole numbers throughout: image <= sum / n - offset.
    n = block * block
    return _binary(image.astype(np.float64) * n <= sums - offset * n)


def _box_sums(image: Grey, block: int) -> NDArray[np.float64]:
    if block <= _LARGEST_BOX:
        return cv2.boxFilter(
            image, cv2.CV_64F, (block, block), normalize=False, borderType=cv2.BORDER_REPLICATE
        )
    rows = _running_sums(image.astype(np.float64), block // 2)
    return np.ascontiguousarray(_running_sums(rows.T, block // 2).T)


def _running_sums(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Sum 2 * half + 1 rows around each row; rows beyond the border repeat it."""
    last = values.shape[0] - 1
    cumulated = np.vstack([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    index = np.arange(last + 1)
    inside = cumulated[np.minimum(index + half, last) + 1] - cumulated[np.maximum(index - half, 0)]
    above = np.maximum(half - index, 0)[:, None] * values[:1]
    below = np.maximum(index + half - last, 0)[:, None] * values[-1:]
    return inside + above + below


def local_gaussian(image: Grey, *, block: int, offset: float = 0.0) -> Grey:
    """Mark pixels not brighter than the Gaussian mean of their neighbourhood minus `offset`.

    The Gaussian has sigma (block - 1) / 6 and is cut off at 4 sigma, as in `skimage.filters.threshold_local`
    (`mode="nearest"`); the two differ only where a pixel lies within float32 rounding of its threshold.
    """
    sigma = (block - 1) / 6
    side = 2 * int(4 * sigma + 0.5) + 1
    means = cv2.GaussianBlur(image.astype(np.float32), (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    return _binary(image <= means - np.float32(offset))


def fixed(values: NDArray[np.float32] | Grey, *, level: float) -> Grey:
    """Mark pixels of at most `level`, in the unit of `values` (HU or grey levels)."""
    return cv2.threshold(values, level, 255, cv2.THRESH_BINARY_INV)[1].astype(np.uint8, copy=False)


def otsu_level(histogram: NDArray[np.float64]) -> int:
    """Return Otsu's threshold of a histogram of 256 grey levels: dark is `image <= level`.

    Maximises the variance between the two classes (Otsu, IEEE SMC 1979); the first maximum, as
    scikit-image takes it. A histogram of one level returns that level.
    """
    used = np.flatnonzero(histogram)
    if used.size <= 1:
        return int(used[0]) if used.size else 0
    levels = np.arange(256)
    weight_low, sum_low = np.cumsum(histogram)[:-1], np.cumsum(histogram * levels)[:-1]
    weight_high, sum_high = histogram.sum() - weight_low, (histogram * levels).sum() - sum_low
    valid = (weight_low > 0) & (weight_high > 0)
    difference = np.zeros(255)
    np.divide(sum_low, weight_low, out=difference, where=valid)
    difference[valid] -= sum_high[valid] / weight_high[valid]
    between = np.where(valid, weight_low * weight_high * difference**2, -1.0)
    return int(np.argmax(between))


def multi_otsu_levels(histogram: NDArray[np.float64]) -> tuple[int, int]:
    """Return the two thresholds of Otsu's three classes (Liao, JISE 2001), for 256 grey levels.

    Raises nothing: a histogram of fewer than three levels returns Otsu's one threshold twice.
    """
    if np.count_nonzero(histogram) < 3:
        level = otsu_level(histogram)
        return level, level
    total = np.concatenate([[0.0], np.cumsum(histogram)])
    moment = np.concatenate([[0.0], np.cumsum(histogram * np.arange(256))])

    def gain(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
        weight = total[last] - total[first]
        squared = (moment[last] - moment[first]) ** 2
        return np.divide(squared, weight, out=np.zeros_like(squared), where=weight > 0)

    cut = np.arange(1, 256)
    low, high = cut[:, None], cut[None, :]
    between = (
        gain(np.zeros_like(low), low) + gain(low, np.maximum(low, high)) + gain(high, np.full_like(high, 256))
    )
    between = np.where(low < high, between, -1.0)
    first, second = np.unravel_index(int(np.argmax(between)), between.shape)
    return int(first), int(second)


def histogram_of(image: Grey, mask: Grey | None = None) -> NDArray[np.float64]:
    """Return how many pixels have each of the 256 grey levels, inside `mask` where given."""
    return cv2.calcHist([image], [0], mask, [256], [0, 256]).ravel().astype(np.float64)


def _binary(condition: NDArray[np.bool_]) -> Grey:
    return condition.view(np.uint8) * np.uint8(255)
