"""Numbers that describe a slice: intensity, sharpness, fingerprint. Cheap: less work than decoding it."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.slice_image import SliceImage

FINGERPRINT_SIDE = 32
HISTOGRAM_BINS = 32
DISPLAY_HU = (-1350.0, 150.0)  # lung window 1500 / -600: what HU slices are shown and compared in
_WORK_SIDE = 256


def display_grey(image: NDArray[Any], *, intensity: str) -> NDArray[np.uint8]:
    """Return a slice as uint8 grey: HU through the lung window, grey as it is."""
    if intensity != "hu":
        return np.asarray(image, np.uint8)
    low, high = DISPLAY_HU
    scale = 255.0 / (high - low)
    return np.asarray(cv2.convertScaleAbs(cv2.max(image, low), alpha=scale, beta=-low * scale), np.uint8)


def content_hash(image: NDArray[Any]) -> str:
    """Return a hash of shape, type and pixels: equal for the same picture in another container.

    HU are hashed as int16 where they are whole numbers, as they nearly always are: half the bytes.
    """
    image = _without_loss(image)
    digest = hashlib.sha256(f"{image.shape}{image.dtype.str}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:32]


def perceptual_hash(fingerprint: NDArray[np.uint8]) -> str:
    """Return the DCT hash (Zauner 2010): signs of the 8 x 8 lowest frequencies against their median, in hex.

    Args:
        fingerprint: (32, 32) uint8.
    """
    lowest = cv2.dct(fingerprint.astype(np.float32))[:8, :8].ravel()
    median = np.sort(lowest[1:])[31]  # of 63; the first is the mean brightness
    bits = lowest > median
    return np.packbits(bits).tobytes().hex()


def describe_slice(read: SliceImage) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Measure a slice.

    Returns:
        The columns `content_hash`, `perceptual_hash`, `intensity_*` (in the slice's own unit, HU or grey),
        `p01`, `p50`, `p99` (display grey), `entropy` (bits), `sharpness` (variance of the Laplacian of the
        middle at full resolution, display grey), `border_mean`, `dark_fraction`, `histogram` (hex of 32
        float16 shares of display grey), and the (32, 32) fingerprint.
    """
    image = _without_loss(read.image) if read.whole_hu is None else read.whole_hu
    mean, std = _mean_and_std(image)
    least, most, _, _ = cv2.minMaxLoc(image)
    grey = display_grey(image, intensity=read.intensity)
    small = _reduced(grey, _WORK_SIDE)
    fingerprint = cv2.resize(small, (FINGERPRINT_SIDE, FINGERPRINT_SIDE), interpolation=cv2.INTER_AREA)
    share = cv2.calcHist([small], [0], None, [256], [0, 256]).ravel() / small.size
    cumulative = np.cumsum(share)
    p01, p50, p99 = np.searchsorted(cumulative, (0.01, 0.5, 0.99)).tolist()
    seen = share[share > 0]
    bins = share.reshape(HISTOGRAM_BINS, -1).sum(axis=1)
    return {
        "content_hash": content_hash(image),
        "perceptual_hash": perceptual_hash(fingerprint),
        "intensity_min": least,
        "intensity_max": most,
        "intensity_mean": mean,
        "intensity_std": std,
        "p01": p01,
        "p50": p50,
        "p99": p99,
        "entropy": float(-(seen * np.log2(seen)).sum()),
        "sharpness": _sharpness(grey),
        "border_mean": _border_mean(small),
        "dark_fraction": float(cumulative[15]),
        "histogram": bins.astype("<f2").tobytes().hex(),
    }, np.asarray(fingerprint, np.uint8)


def _without_loss(image: NDArray[Any]) -> NDArray[Any]:
    """Return float HU as int16 where that changes no pixel: half the memory for all that follows."""
    if image.dtype != np.float32:
        return image
    with np.errstate(invalid="ignore"):  # what doesn't fit is seen by the comparison
        whole = image.astype(np.int16)
    return whole if np.array_equal(whole, image) else image


def _mean_and_std(image: NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation; of whole numbers from two sums, a tenth of OpenCV's own time."""
    if image.dtype.kind == "f":  # where a difference of squares would lose digits
        mean, std = cv2.meanStdDev(image)
        return float(mean[0, 0]), float(std[0, 0])
    average = float(cv2.mean(image)[0])
    variance = cv2.norm(image, cv2.NORM_L2SQR) / image.size - average * average
    return average, math.sqrt(max(variance, 0.0))


def _reduced(grey: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    rows, columns = grey.shape
    if min(rows, columns) <= side:
        return grey
    scale = side / min(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sharpness(grey: NDArray[np.uint8]) -> float:
    rows, columns = grey.shape
    top, left = max(0, (rows - _WORK_SIDE) // 2), max(0, (columns - _WORK_SIDE) // 2)
    middle = grey[top : top + _WORK_SIDE, left : left + _WORK_SIDE]
    return _mean_and_std(cv2.Laplacian(middle, cv2.CV_16S))[1] ** 2


def _border_mean(grey: NDArray[np.uint8]) -> float:
    edges = np.concatenate([grey[:4].ravel(), grey[-4:].ravel(), grey[:, :4].ravel(), grey[:, -4:].ravel()])
    return float(edges.mean())
