"""Decoding PNG, JPEG, BMP and TIFF: the header is read and checked before any pixel."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
_LUMINANCE_BGR = np.array([0.114, 0.587, 0.299], np.float32)
_COLOR_SPREAD = 0.12  # of the range: chroma noise of JPEG stays below
COLOUR_NOTE = "colour image, turned to grey"


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
        grey, colored, channels = _decode_jpeg(data, header)
    else:
        stored = _decode(data, frame) if format == "tiff" else _imdecode(data, cv2.IMREAD_UNCHANGED)
        grey, colored, channels = _to_grey(stored, header)
    equal = colored == 0
    notes = () if equal else (COLOUR_NOTE,)
    return SliceImage(
        grey, "grey", format, header.bit_depth, channels, equal, frame, header.frames, None, notes, colored
    )


def _decode_jpeg(data: bytes, header: RasterHeader) -> tuple[NDArray[np.uint8], float, int]:
    """Decode the luminance alone, and judge colour by 8 x 8 blocks: cheaper than decoding colour."""
    grey = _imdecode(data, cv2.IMREAD_GRAYSCALE)
    if header.channels == 1:
        return grey, 0.0, 1
    if header.mode == "CMYK":
        return grey, 1.0, 4
    blocks = _imdecode(data, cv2.IMREAD_REDUCED_COLOR_8)
    return grey, _colored_share(blocks), header.channels


def _to_grey(stored: NDArray[Any], header: RasterHeader) -> tuple[NDArray[np.uint8], float, int]:
    """Reduce pixels (BGR or BGRA) to grey. Returns grey, the share in colour, and how many channels."""
    if stored.ndim == 2:
        return _deep_to_grey(stored, header), 0.0, max(1, header.channels if header.channels == 2 else 1)
    channels = stored.shape[2]
    if channels == 2:
        return _deep_to_grey(np.ascontiguousarray(stored[..., 0]), header), 0.0, 2
    colored = _colored_share(stored)
    if colored == 0:
        return _deep_to_grey(cv2.extractChannel(stored, 0), header), 0.0, header.channels
    colour = stored[..., :3]
    if colour.dtype != np.uint8:
        return _deep_to_grey(colour.astype(np.float32) @ _LUMINANCE_BGR, header), colored, channels
    return np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8), colored, channels


def _deep_to_grey(stored: NDArray[Any], header: RasterHeader) -> NDArray[np.uint8]:
    return stored_range_to_grey(stored, bit_depth=header.bit_depth)


def _colored_share(colour: NDArray[Any]) -> float:
    """Return the share of pixels whose channels lie clearly apart; 0 only where all channels are equal."""
    blue, green, red = (cv2.extractChannel(colour, channel) for channel in range(3))
    if np.array_equal(blue, green) and np.array_equal(blue, red):
        return 0.0
    spread = cv2.max(cv2.max(blue, green), red) - cv2.min(cv2.min(blue, green), red)
    apart = _COLOR_SPREAD * (np.iinfo(spread.dtype).max if spread.dtype.kind == "u" else float(spread.max()))
    return max(float((spread > apart).mean()), float(np.finfo(np.float32).tiny))


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
