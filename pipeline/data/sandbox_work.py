"""What the sandbox's worker does: read a frame, describe every frame of a file, list an archive's members."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom

from pipeline.data.archive import keep_archive
from pipeline.data.decode import OpenedSource, decode_frames, identify, open_source
from pipeline.data.describe import describe_file
from pipeline.data.dicom import DicomFile, read_header
from pipeline.data.identity import identity_of
from pipeline.data.limits import limit_memory
from pipeline.data.nifti import NiftiVolume, read_plane_header
from pipeline.data.slice_image import SliceError, SliceImage

cv2.setNumThreads(1)
warnings.simplefilter("ignore")  # the header's small sins are no news; the result is checked
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

_kept: tuple[tuple[str, int, int], OpenedSource] | None = None


def answer(
    request: dict[str, Any], payload: bytes, on_frame: Callable[[], None]
) -> tuple[dict[str, Any], bytes]:
    """Answer one request.

    Args:
        request: `{"verb": "read" | "describe" | "outline" | "measure", "path": ..., "key": ..., ...}`.
        payload: the file's bytes where there is no path.
        on_frame: called before each of many frames.
    """
    source = Path(request["path"]) if request.get("path") is not None else payload
    key = bytes.fromhex(request["key"]) if request.get("key") else None
    try:
        return _VERBS[request["verb"]](source, request | {"on_frame": on_frame}, key)
    except SliceError as error:
        return {"error": [error.code, error.reason]}, b""
    except MemoryError:
        return {"error": ["too-large", "Decoding it takes more memory than one file may."]}, b""
    except Exception as error:  # one file's oddity must not end the worker that others wait for
        return {"error": ["crashed", f"Its decoder broke down ({type(error).__name__})."]}, b""


def _read(source: Path | bytes, request: dict[str, Any], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    read = _open(source).decode(request["frame"], key=key)
    image = np.ascontiguousarray(read.image)
    facts = asdict(replace(read, image=np.empty(0), whole_hu=None))
    del facts["image"]
    return {"slice": facts, "shape": image.shape, "dtype": image.dtype.str}, image.tobytes()


def _describe(
    source: Path | bytes, request: dict[str, Any], key: bytes | None
) -> tuple[dict[str, Any], bytes]:
    """Return a row for every frame, or the members of an archive."""
    _forget()
    try:
        rows, fingerprints = describe_file(Path(str(source)), key=key, on_frame=request["on_frame"])
    except SliceError as error:
        if error.code == "archive":
            return {"members": _members(Path(str(source)))}, b""
        raise
    return {"rows": rows}, fingerprints.tobytes()


def _outline(source: Path | bytes, _: dict[str, Any], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    """Return series and position of every frame without decoding pixels, or the members of an archive."""
    try:
        opened = _open(source)
    except SliceError as error:
        if error.code == "archive":
            return {"members": _members(Path(str(source)))}, b""
        raise
    places = []
    for frame in range(opened.frames):
        header = None
        if isinstance(opened.content, DicomFile):
            header = read_header(opened.content.dataset, frame, key)
        elif isinstance(opened.content, NiftiVolume):
            header = read_plane_header(opened.content, frame)
        places.append([header.series_uid, header.slice_location] if header is not None else [None, None])
    return {"frames": places}, b""


def _identity(source: Path | bytes, _: dict[str, Any], __: bytes | None) -> tuple[dict[str, Any], bytes]:
    """Return whose study a DICOM file belongs to, nothing for other files."""
    content = _open(source).content
    return {"identity": identity_of(content.dataset) if isinstance(content, DicomFile) else {}}, b""


def _members(path: Path) -> list[tuple[str, int, list[str] | None]]:
    return [
        (
            each.name,
            each.bytes,
            [each.problem.code, each.problem.reason] if each.problem is not None else None,
        )
        for each in keep_archive(path).members
    ]


def _open(source: Path | bytes) -> OpenedSource:
    """Open a file. The last one of several frames stays open: its frames are mostly asked for one by one."""
    global _kept
    identity = identify(source) if isinstance(source, Path) else None
    if _kept is not None and _kept[0] == identity:
        return _kept[1]
    _forget()
    opened = open_source(source)
    if identity is not None and opened.frames > 1:
        _kept = identity, opened
    return opened


def _forget() -> None:
    global _kept
    _kept = None


def _measure(
    source: Path | bytes, request: dict[str, Any], key: bytes | None
) -> tuple[dict[str, Any], bytes]:
    """Return what the audit measures of each frame; None where it can't be read."""
    _forget()
    measure_slice = _measuring()
    found = [
        None if isinstance(read, SliceError) else measure_slice(read)
        for read in decode_frames(source, key=key, on_frame=request["on_frame"])
    ]
    return {"measures": found}, b""


@functools.cache
def _measuring() -> Callable[[SliceImage], dict[str, Any]]:
    """Return what measures a slice. Its libraries take addresses of their own, beside what files may take."""
    from pipeline.data.measures import measure_slice

    limit_memory()
    return measure_slice


_VERBS = {
    "read": _read,
    "describe": _describe,
    "outline": _outline,
    "measure": _measure,
    "identity": _identity,
}
