"""Decoding one file in this process. `reading.py` is what others call: it decides what needs the sandbox."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.data.dicom import decode_frame, open_dicom
from pipeline.data.formats import HEAD_BYTES, detect_format
from pipeline.data.raster import decode_raster
from pipeline.data.slice_image import MAX_RASTER_BYTES, SliceError, SliceImage

_NO_FILE = "This is no regular file but a folder, pipe or device."


def decode_slice(source: Path | bytes, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Decode one frame of a file or of its bytes.

    Raises:
        SliceError: with the code and the reason.
    """
    format, content = load_source(source)
    if format == "dicom":
        return decode_frame(open_dicom(content), frame=frame, key=key)
    return decode_raster(_bytes(content), format=format, frame=frame)


def decode_frames(source: Path | bytes, *, key: bytes | None = None) -> Iterator[SliceImage | SliceError]:
    """Decode every frame of a file; a frame that fails is its error, and the next ones go on.

    Raises:
        SliceError: nothing of the file can be read.
    """
    format, content = load_source(source)
    if format == "dicom":
        file = open_dicom(content)
        for frame in range(file.frames):
            try:
                yield decode_frame(file, frame=frame, key=key)
            except SliceError as error:
                if file.frames == 1 or error.code == "transfer-syntax":
                    raise
                yield error
        return
    data = _bytes(content)
    first = decode_raster(data, format=format)
    yield first
    for frame in range(1, first.frames):
        try:
            yield decode_raster(data, format=format, frame=frame)
        except SliceError as error:
            yield error


def load_source(source: Path | bytes) -> tuple[str, Path | bytes]:
    """Return a file's format and what its decoder wants: a picture's bytes, the path of a DICOM file.

    Raises:
        SliceError: no file, no image, or larger than pictures may be.
    """
    if isinstance(source, bytes):
        return detect_format(source[:HEAD_BYTES]), source
    with open_file(source) as file:
        head = file.read(HEAD_BYTES)
        format = detect_format(head)
        if format == "dicom":
            return format, source
        size = os.fstat(file.fileno()).st_size
        if size > MAX_RASTER_BYTES:
            raise SliceError(
                "too-large", f"It has {size / 2**20:.0f} MiB; pictures of up to 128 MiB are read."
            )
        return format, head + file.read()


def read_head(source: Path | bytes) -> bytes:
    """Return the first bytes of a file: enough to tell its format."""
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with open_file(source) as file:
        return file.read(HEAD_BYTES)


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. Pipes and devices are refused: reading them may never end.

    Raises:
        SliceError: `missing-file`, `permission-denied`, `symlink-loop`, `not-a-file` or `read-error`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except IsADirectoryError as error:
        raise SliceError("not-a-file", _NO_FILE) from error
    except OSError as error:
        raise read_failure(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SliceError("not-a-file", _NO_FILE)
    return open(descriptor, "rb", buffering=0)


def read_failure(error: OSError) -> SliceError:
    """Return what an operating system's refusal means for a slice."""
    if isinstance(error, FileNotFoundError):
        return SliceError("missing-file", "There is no such file.")
    if isinstance(error, PermissionError):
        return SliceError("permission-denied", "The file may not be read: check its permissions.")
    if error.errno == errno.ELOOP:
        return SliceError("symlink-loop", "This link leads back to itself.")
    return SliceError("read-error", f"The file could not be read ({error.strerror or type(error).__name__}).")
