"""From stored values to 8-bit grey: the window of HU slices, and the one check of what a slice is."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HilumError

Intensity = Literal["hu", "grey"]
AIR_HU = -1024.0
DENSEST_HU = 3071.0
# (centre, width) in HU.
WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-600.0, 1500.0),
    "mediastinum": (40.0, 400.0),
    "bone": (480.0, 2500.0),
}


class SliceArrayError(HilumError):
    """An array that is no slice: wrong shape, wrong dtype or an unknown kind of intensity."""


def check_slice(image: NDArray[Any], *, intensity: str) -> None:
    """Check that `image` is a slice: (rows, columns), uint8 for "grey", any real numbers for "hu".

    Raises:
        SliceArrayError: it is not; the message says what came.
    """
    if intensity not in ("hu", "grey"):
        raise SliceArrayError(
            f"Received intensity {intensity!r}; a slice is 'hu' (CT numbers) or 'grey' (8 bit)."
        )
    if not isinstance(image, np.ndarray):
        raise SliceArrayError(f"Received {type(image).__name__}; a slice is a NumPy array (rows, columns).")
    if image.ndim == 3 and image.shape[2] in (3, 4):
        kind = "RGB" if image.shape[2] == 3 else "RGBA"
        raise SliceArrayError(
            f"Received an {kind} picture of shape {image.shape}; preprocessing takes one channel "
            "(rows, columns). pipeline.data.reading.read_slice gives it."
        )
    if image.ndim != 2 or 0 in image.shape:
        raise SliceArrayError(
            f"Received shape {image.shape}; a slice has rows and columns, at least one each."
        )
    if intensity == "grey" and image.dtype != np.uint8:
        raise SliceArrayError(
            f"Received {image.dtype} for a grey slice; grey slices are uint8. "
            "pipeline.data.reading.read_slice maps other bit depths to it."
        )
    if intensity == "hu" and image.dtype.kind not in "iuf":
        raise SliceArrayError(f"Received {image.dtype} for a slice in HU; HU are real numbers.")


def finite_hu(slice_hu: NDArray[Any]) -> NDArray[np.float32]:
    """Return `slice_hu` as float32 without NaN (air, -1024) and infinities (-1024 and 3071 HU)."""
    values = slice_hu.astype(np.float32, copy=False)
    if np.isfinite(values).all():
        return values
    return np.nan_to_num(values, nan=AIR_HU, neginf=AIR_HU, posinf=DENSEST_HU)


def to_grey8(image: NDArray[Any], *, intensity: str, center: float, width: float) -> NDArray[np.uint8]:
    """Map a slice to 8-bit grey; a grey slice passes unchanged (it carries no HU to window).

    HU are mapped linearly from [center - width / 2, center + width / 2] to [0, 255], clipped and rounded:
    the map is monotone. NaN counts as air. Returns a new array for HU, the same one for grey.

    Raises:
        SliceArrayError: `image` is no slice, or the width is not above 0.
    """
    check_slice(image, intensity=intensity)
    if intensity == "grey":
        return image
    if not width > 0:
        raise SliceArrayError(f"Received a window of width {width}; it must be above 0 HU.")
    low = center - width / 2
    scaled = (finite_hu(image) - np.float32(low)) * np.float32(255 / width)
    # Clipped before rounding, so that adding a half and cutting off is rounding.
    return (np.clip(scaled, 0, 255, out=scaled) + np.float32(0.5)).astype(np.uint8)
