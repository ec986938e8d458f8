"""What a slice is once it is read, and how reading one fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HilumError

MAX_PIXELS = 40_000_000  # of one frame: a chest radiograph has 20 million, a CT slice 0.3
MIN_SIDE = 16  # pixels: smaller than this nothing of a chest can be seen
MAX_RASTER_BYTES = 128 * 2**20
MAX_DICOM_BYTES = 512 * 2**20
MAX_FRAMES = 4096

_TINY = 1e-30

Intensity = Literal["hu", "grey"]


class SliceError(HilumError):
    """A file that is no readable slice. `code` is one of the index's status codes, `reason` a sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type[SliceError], tuple[str, str]]:
        """Let it go from one process to another."""
        return type(self), (self.code, self.reason)


@dataclass(frozen=True)
class DicomHeader:
    """What Hilum keeps of a DICOM or NIfTI header.

    Lengths are in mm; identifiers are pseudonyms, None without a key. Position (of the first pixel, three
    numbers) and orientation (along a row, along a column, six) are DICOM's, in the patient's axes: to the
    left, to the back, to the head.
    """

    slice_location: float | None = None
    pixel_spacing: float | None = None
    image_position: str | None = None
    image_orientation: str | None = None
    kernel: str | None = None
    manufacturer: str | None = None
    modality: str | None = None
    window_center: float | None = None
    window_width: float | None = None
    patient_id: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None


@dataclass(frozen=True)
class SliceImage:
    """One slice.

    Attributes:
        image: (rows, columns), float32 Hounsfield units where `intensity` is "hu", else uint8 grey.
        format: by content: png, jpeg, tiff, bmp, dicom, nifti.
        bit_depth: bits a channel as stored.
        channels: as stored; `image` always has one.
        channels_equal: whether the stored colour channels say the same (JPEG: compared by 8 x 8 blocks).
        frame, frames: which of how many, from 0.
        notes: what was done to it that its owner may want to know.
        color_share: share of pixels whose channels lie clearly apart, [0, 1]; a photograph has much.
        whole_hu: `image` as int16, where it was read as whole numbers; a sandbox's answer leaves it out.
    """

    image: NDArray[Any]
    intensity: Intensity
    format: str
    bit_depth: int
    channels: int = 1
    channels_equal: bool = True
    frame: int = 0
    frames: int = 1
    header: DicomHeader | None = None
    notes: tuple[str, ...] = ()
    color_share: float = 0.0
    whole_hu: NDArray[np.int16] | None = None


def check_size(height: int, width: int) -> None:
    """Check the size a header claims, before anything is decoded.

    Raises:
        SliceError: `too-large` or `too-small`.
    """
    if height * width > MAX_PIXELS:
        raise SliceError(
            "too-large", f"It claims {width} x {height} pixels; at most {MAX_PIXELS:,} are decoded."
        )
    if min(height, width) < MIN_SIDE:
        raise SliceError(
            "too-small", f"It has {width} x {height} pixels; a slice has at least {MIN_SIDE} a side."
        )


def stored_range_to_grey(
    stored: NDArray[Any], *, bit_depth: int, ignore: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Map stored values to uint8 grey: 8 bits stay as they are, other depths from the least to the greatest.

    Args:
        stored: (rows, columns), any integer or float type.
        bit_depth: bits as stored; 8 or fewer in uint8 are kept.
        ignore: (rows, columns), True where a value is padding: it takes no part in the range and becomes 0.
    """
    if stored.dtype == np.uint8 and bit_depth <= 8 and ignore is None:
        return stored
    values = stored.astype(np.float32)
    counted = np.isfinite(values) if ignore is None else np.isfinite(values) & ~ignore
    if not counted.any():
        return np.zeros(stored.shape, np.uint8)
    low, high = float(values[counted].min()), float(values[counted].max())
    scaled = (values - low) * (255.0 / max(high - low, _TINY))
    grey: NDArray[np.uint8] = np.where(counted, np.clip(np.rint(scaled), 0, 255), 0).astype(np.uint8)
    return grey
