"""Decoding one file in this process. `reading.py` is what others call: it decides what needs the sandbox."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.data.dicom import decode_frame, open_dicom
from pipeline.data.formats import HEAD_BYTES, detect_format
from pipeline.data.raster import decode_raster
from pipeline.data.slice_image import MAX_RASTER_BYTES, SliceError, SliceImage


def decode_slice(source: Path | bytes, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Decode one frame of a file or of its bytes.

    Raises:
        SliceError: with the code and the reason.
    """
    format = detect_format(read_head(source))
    if format == "dicom":
        return decode_frame(open_dicom(source), frame=frame, key=key)
    return decode_raster(read_bytes(source), format=format, frame=frame)


def decode_frames(source: Path | bytes, *, key: bytes | None = None) -> Iterator[SliceImage | SliceError]:
    """Decode every frame of a file; a frame that fails is its error, and the next ones go on.

    Raises:
        SliceError: nothing of the file can be read.
    """
    format = detect_format(read_head(source))
    if format == "dicom":
        file = open_dicom(source)
        for frame in range(file.frames):
            try:
                yield decode_frame(file, frame=frame, key=key)
            except SliceError as error:
                if file.frames == 1 or error.code == "transfer-syntax":
                    raise
                yield error
        return
    data = read_bytes(source)
    first = decode_raster(data, format=format)
    yield first
    for frame in range(1, first.frames):
        try:
            yield decode_raster(data, format=format, frame=frame)
        except SliceError as error:
            yield error


def read_head(source: Path | bytes) -> bytes:
    """Return the first bytes of a file: enough to tell its format."""
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with open_file(source) as file:
        return file.read(HEAD_BYTES)


def read_bytes(source: Path | bytes) -> bytes:
    """Return a picture's bytes, at most as many as pictures may have."""
    if isinstance(source, bytes):
        return source
    with open_file(source) as file:
        data = file.read(MAX_RASTER_BYTES + 1)
    if len(data) > MAX_RASTER_BYTES:
        raise SliceError("too-large", "It has more than 128 MiB.")
    return data


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. Pipes and devices are refused: reading them may never end.

    Raises:
        SliceError: `missing-file`, `permission-denied`, `symlink-loop`, `not-a-file` or `read-error`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SliceError("not-a-file", "This is no regular file but a folder, pipe or device.")
        return path.open("rb")
    except OSError as error:
        raise read_failure(error) from error


def read_failure(error: OSError) -> SliceError:
    """Return what an operating system's refusal means for a slice."""
    if isinstance(error, FileNotFoundError):
        return SliceError("missing-file", "There is no such file.")
    if isinstance(error, PermissionError):
        return SliceError("permission-denied", "The file may not be read: check its permissions.")
    if error.errno == errno.ELOOP:
        return SliceError("symlink-loop", "This link leads back to itself.")
    return SliceError("read-error", f"The file could not be read ({error.strerror or type(error).__name__}).")
