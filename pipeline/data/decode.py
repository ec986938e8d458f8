"""Decoding one file in this process. `reading.py` is what others call: it decides what needs the sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.archive import keep_archive, split_archive_path
from pipeline.data.dicom import DicomFile, decode_frame, open_dicom
from pipeline.data.formats import FORMATS_TEXT, HEAD_BYTES, detect_format
from pipeline.data.nifti import NiftiVolume, decode_plane, open_nifti
from pipeline.data.opening import open_file, read_failure
from pipeline.data.raster import decode_raster, read_raster_header
from pipeline.data.slice_image import MAX_RASTER_BYTES, SliceError, SliceImage

_NESTED = "This is a ZIP archive inside an archive, which is not looked into: unpack the outer one."


@dataclass(frozen=True)
class OpenedSource:
    """A file whose header was read. `content` is a picture's bytes, or what its format's reader opened."""

    format: str
    content: bytes | DicomFile | NiftiVolume
    frames: int

    def decode(self, frame: int, *, key: bytes | None = None) -> SliceImage:
        """Decode one frame.

        Raises:
            SliceError: with the code and the reason.
        """
        try:
            if isinstance(self.content, DicomFile):
                return decode_frame(self.content, frame=frame, key=key)
            if isinstance(self.content, NiftiVolume):
                return decode_plane(self.content, frame=frame)
            return decode_raster(self.content, format=self.format, frame=frame)
        except (SliceError, MemoryError):
            raise
        except Exception as error:  # an element of a DICOM header is parsed when it is first asked for
            raise SliceError("corrupt", f"It is damaged ({type(error).__name__}).") from error


def decode_slice(source: Path | bytes, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Decode one frame of a file, of a member of an archive (`archive.zip/name`) or of a file's bytes.

    Raises:
        SliceError: with the code and the reason.
    """
    return open_source(source).decode(frame, key=key)


def decode_frames(
    source: Path | bytes, *, key: bytes | None = None, on_frame: Callable[[], None] = lambda: None
) -> Iterator[SliceImage | SliceError]:
    """Decode every frame of a file; a frame that fails is its error, and the next ones go on.

    Args:
        source: a file, a member of an archive, or a file's bytes.
        key: see `decode_slice`.
        on_frame: called before each frame: whoever waits may hear that this goes on.

    Raises:
        SliceError: nothing of the file can be read.
    """
    opened = open_source(source)
    for frame in range(opened.frames):
        on_frame()
        try:
            yield opened.decode(frame, key=key)
        except SliceError as error:
            if opened.frames == 1 or error.code == "transfer-syntax":
                raise
            yield error


def open_source(source: Path | bytes) -> OpenedSource:
    """Read a file's header.

    Raises:
        SliceError: no file, no image, an archive, or larger than files may be.
    """
    format, content = _load(source)
    if format == "dicom":
        dicom = open_dicom(content)
        return OpenedSource(format, dicom, dicom.frames)
    if format == "nifti":
        volume = open_nifti(content)
        return OpenedSource(format, volume, volume.frames)
    if format == "zip":
        raise SliceError("nested-archive", _NESTED)
    data = content if isinstance(content, bytes) else content.read_bytes()
    frames = read_raster_header(data, format=format).frames if format == "tiff" else 1
    return OpenedSource(format, data, frames)


def identify(path: Path) -> tuple[str, int, int] | None:
    """Return a file's path, size and time (of a member, its archive's); None where it is not there."""
    within = split_archive_path(path)
    try:
        status = (within[0] if within is not None else path).stat()
    except (OSError, ValueError):
        return None
    return str(path), status.st_size, status.st_mtime_ns


def _load(source: Path | bytes) -> tuple[str, Path | bytes]:
    """Return a file's format and what its reader wants: a picture's bytes, the path of a large file.

    Raises:
        SliceError: no file, no image, or larger than pictures may be.
    """
    if isinstance(source, bytes):
        return detect_format(source[:HEAD_BYTES]), source
    within = split_archive_path(source)
    if within is not None:
        archive, name = within
        data = keep_archive(archive).read(name)
        return detect_format(data[:HEAD_BYTES]), data
    with open_file(source) as file:
        try:
            head = file.read(HEAD_BYTES)
            format = detect_format(head)
            if format == "zip":
                reason = (
                    f"This is a ZIP archive; Hilum reads {FORMATS_TEXT}, the archives by what is in them."
                )
                raise SliceError("archive", reason)
            if format in ("dicom", "nifti"):
                return format, source
            size = os.fstat(file.fileno()).st_size
            if size > MAX_RASTER_BYTES:
                raise SliceError(
                    "too-large", f"It has {size / 2**20:.0f} MiB; pictures of up to 128 MiB are read."
                )
            return format, head + file.read()
        except OSError as error:
            raise read_failure(error) from error
