"""Decoding PNG, JPEG, BMP and TIFF: the header is read and checked before any pixel."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.colour import colored_share, grey_of_color, notes_on_color, without_marks
from pipeline.data.slice_image import (
    MAX_FRAMES,
    MAX_RASTER_BYTES,
    SliceError,
    SliceImage,
    check_size,
    stored_range_to_grey,
)

_CHANNELS = {
    "1": 1,
    "L": 1,
    "I": 1,
    "F": 1,
    "LA": 2,
    "PA": 4,
    "P": 3,
    "RGB": 3,
    "YCbCr": 3,
    "RGBA": 4,
    "CMYK": 4,
}
_JPEG_EOI, _JPEG_SOS = b"\xff\xd9", b"\xff\xda"


class _Reduced(NamedTuple):
    """A picture as grey: of how many channels, which share was in colour, whether marks were filled."""

    grey: NDArray[np.uint8]
    channels: int
    colored: float = 0.0
    filled: bool = False


@dataclass(frozen=True)
class RasterHeader:
    """What a picture's header claims."""

    height: int
    width: int
    channels: int
    bit_depth: int
    frames: int = 1
    mode: str = "L"


def read_raster_header(data: bytes, *, format: str) -> RasterHeader:
    """Read what the header claims, without decoding a pixel.

    Raises:
        SliceError: `corrupt`, `truncated`, `too-large`, `too-small`.
    """
    if len(data) > MAX_RASTER_BYTES:
        raise SliceError(
            "too-large", f"It has {len(data) / 2**20:.0f} MiB; pictures of up to 128 MiB are read."
        )
    try:
        with Image.open(io.BytesIO(data), formats=[format.upper()]) as picture:
            width, height = picture.size
            mode = picture.mode
            frames = int(getattr(picture, "n_frames", 1)) if format == "tiff" else 1
            bits = _bit_depth(picture, data, format=format)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SliceError("too-large", "It claims more pixels than are decoded.") from error
    except Exception as error:  # Pillow's parsers raise nearly anything on a damaged header
        raise SliceError("corrupt", f"The {format.upper()} header is damaged.") from error
    check_size(height, width)
    if frames > MAX_FRAMES:
        raise SliceError("too-large", f"It claims {frames} pages; at most {MAX_FRAMES} are read.")
    return RasterHeader(height, width, _CHANNELS.get(mode, 1), bits, frames, mode)


def decode_raster(data: bytes, *, format: str, frame: int = 0) -> SliceImage:
    """Decode one picture to uint8 grey.

    Args:
        data: the file's bytes.
        format: png, jpeg, bmp or tiff.
        frame: page of a TIFF.

    Raises:
        SliceError: `truncated`, `corrupt`, `too-large`, `too-small`, `no-such-frame`.
    """
    header = read_raster_header(data, format=format)
    if not 0 <= frame < header.frames:
        raise SliceError("no-such-frame", f"It has {header.frames} page(s); page {frame + 1} was asked for.")
    _check_whole(data, format=format)
    if format == "jpeg":
        reduced = _decode_jpeg(data, header)
    else:
        stored = _decode(data, frame) if format == "tiff" else _imdecode(data, cv2.IMREAD_UNCHANGED)
        reduced = _to_grey(stored, header)
    return SliceImage(
        reduced.grey,
        "grey",
        format,
        header.bit_depth,
        channels=reduced.channels,
        channels_equal=reduced.colored == 0,
        frame=frame,
        frames=header.frames,
        notes=notes_on_color(reduced.colored, filled=reduced.filled),
        color_share=reduced.colored,
    )


def _decode_jpeg(data: bytes, header: RasterHeader) -> _Reduced:
    """Decode the luminance alone, and judge colour by 8 x 8 blocks: cheaper than decoding colour."""
    grey = _imdecode(data, cv2.IMREAD_GRAYSCALE)
    if header.channels == 1:
        return _Reduced(grey, 1)
    if header.mode == "CMYK":
        return _Reduced(grey, 4, colored=1.0)
    colored = colored_share(_imdecode(data, cv2.IMREAD_REDUCED_COLOR_8))
    if colored == 0:
        return _Reduced(grey, header.channels)
    plain, filled = without_marks(grey, _imdecode(data, cv2.IMREAD_COLOR))
    return _Reduced(plain, header.channels, colored, filled)


def _to_grey(stored: NDArray[Any], header: RasterHeader) -> _Reduced:
    """Reduce pixels (BGR or BGRA) to grey."""
    if stored.ndim == 2:
        return _Reduced(_deep_to_grey(stored, header), max(1, header.channels if header.channels == 2 else 1))
    channels = stored.shape[2]
    if channels == 2:
        return _Reduced(_deep_to_grey(np.ascontiguousarray(stored[..., 0]), header), 2)
    colored = colored_share(stored)
    if colored == 0:
        return _Reduced(_deep_to_grey(cv2.extractChannel(stored, 0), header), header.channels)
    grey, filled = grey_of_color(stored[..., :3])
    return _Reduced(_deep_to_grey(grey, header), channels, colored, filled)


def _deep_to_grey(stored: NDArray[Any], header: RasterHeader) -> NDArray[np.uint8]:
    return stored_range_to_grey(stored, bit_depth=header.bit_depth)


def _decode(data: bytes, frame: int) -> NDArray[Any]:
    """Decode one page of a TIFF with its stored type."""
    try:
        done, pages = cv2.imdecodemulti(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(frame, frame + 1)
        )
    except cv2.error as error:
        raise SliceError("corrupt", "The TIFF's pixels could not be decoded.") from error
    if not done or not pages:
        raise SliceError("corrupt", "The TIFF's pixels could not be decoded.")
    return np.asarray(pages[0])


def _imdecode(data: bytes, flags: int) -> NDArray[Any]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SliceError("corrupt", "The pixels could not be decoded: the file is damaged.") from error
    if image is None:
        raise SliceError("corrupt", "The pixels could not be decoded: the file is damaged.")
    return np.asarray(image)


def _check_whole(data: bytes, *, format: str) -> None:
    """Refuse files whose end is missing: decoders may fill the rest with grey and say nothing."""
    if format == "jpeg":
        scan = data.find(_JPEG_SOS)
        whole = scan >= 0 and data.rfind(_JPEG_EOI) > scan
    elif format == "png":
        whole = data.rfind(b"IEND") > 0
    else:
        whole = True
    if not whole:
        raise SliceError("truncated", f"The {format.upper()} file ends too early: it was cut off.")


def _bit_depth(picture: Image.Image, data: bytes, *, format: str) -> int:
    if format == "png":
        return data[24]
    if format == "tiff":
        bits = getattr(picture, "tag_v2", {}).get(258, 1)
        return int(max(bits)) if isinstance(bits, tuple) else int(bits)
    return 1 if picture.mode == "1" else 8
