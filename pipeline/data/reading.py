"""Reading one slice: the way every room gets its pixels.

PNG, JPEG and BMP are decoded here, after their header was checked. DICOM, NIfTI, TIFF and everything in
archives, whose parsers can hang, crash or inflate without limit, are decoded in a worker process under limits
of time and memory. A share that does not answer is given up after as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.archive import split_archive_path
from pipeline.data.datasets import slice_path
from pipeline.data.decode import decode_slice
from pipeline.data.formats import HEAD_BYTES, detect_format
from pipeline.data.opening import open_file, read_failure
from pipeline.data.patience import GaveUpError, do_within
from pipeline.data.sandbox import TIMEOUT_SECONDS, WorkerDiedError, borrowed_worker
from pipeline.data.slice_image import MAX_RASTER_BYTES, DicomHeader, SliceError, SliceImage
from pipeline.workspace import Workspace

__all__ = ["DicomHeader", "SliceError", "SliceImage", "load_slice", "read_slice", "read_slice_bytes"]

_IN_PROCESS = frozenset({"png", "jpeg", "bmp"})


def load_slice(workspace: Workspace, dataset: str, row: Mapping[str, Any] | pd.Series) -> SliceImage:
    """Read the slice of an index row (`path`, `frame`), wherever it lies: in a file, a volume, an archive.

    Raises:
        SliceError: it cannot be read any more.
        DatasetNotFoundError: there is no such data set.
    """
    path = slice_path(workspace, dataset, row)
    return read_slice(path, frame=int(row["frame"]), key=workspace.pseudonym_key())


def read_slice(path: str | Path, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Read one frame of a file.

    Args:
        path: a PNG, JPEG, TIFF, BMP, DICOM or NIfTI file, or one in a ZIP archive (`archive.zip/name`); the
            content decides, not the name.
        frame: which frame, page or plane, from 0.
        key: the workspace's key for the header's identifiers; without it they are left out.

    Raises:
        SliceError: with one of the index's status codes and a sentence.
    """
    file = Path(path)
    data = _read_picture(file)
    if data is not None:
        return decode_slice(data, frame=frame)
    return _read_in_sandbox({"path": str(file.absolute())}, b"", frame, key)


def read_slice_bytes(data: bytes, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Read one frame from a file's bytes, for example an upload's. See `read_slice`."""
    format = detect_format(data[:HEAD_BYTES])
    if format in _IN_PROCESS:
        return decode_slice(data, frame=frame)
    if format == "zip":
        reason = "This is a ZIP archive: index it as a data set, or unpack it and choose one of its slices."
        raise SliceError("archive", reason)
    return _read_in_sandbox({}, data, frame, key)


def is_picture(path: Path) -> bool:
    """Return whether a file is a PNG, JPEG or BMP, of one frame.

    Raises:
        SliceError: nothing of it can be read.
    """
    return _read_picture(path, head_only=True) is not None


def _read_picture(path: Path, *, head_only: bool = False) -> bytes | None:
    """Return the bytes of a picture that is decoded here, None for all else.

    Raises:
        SliceError: it can't be read, is of no known format, or the share does not answer (`timeout`).
    """
    try:
        return do_within(TIMEOUT_SECONDS, lambda: _picture_bytes(path, head_only=head_only))
    except GaveUpError as error:
        reason = f"Reading it took more than {TIMEOUT_SECONDS:.0f} s and was given up."
        raise SliceError("timeout", reason) from error


def _picture_bytes(path: Path, *, head_only: bool) -> bytes | None:
    try:
        with open_file(path) as file:
            head = file.read(HEAD_BYTES)
            if detect_format(head) not in _IN_PROCESS:
                return None
            return head if head_only else head + file.read(MAX_RASTER_BYTES + 1 - len(head))
    except OSError as error:
        raise read_failure(error) from error
    except SliceError as error:
        if error.code == "missing-file" and split_archive_path(path) is not None:
            return None
        raise


def _read_in_sandbox(source: dict[str, Any], payload: bytes, frame: int, key: bytes | None) -> SliceImage:
    request = source | {"verb": "read", "frame": frame, "key": key.hex() if key else None}
    try:
        with borrowed_worker() as worker:
            worker.send(request, payload)
            answer, pixels = worker.receive()
    except WorkerDiedError as died:
        raise died.as_slice_error() from died
    if "error" in answer:
        raise SliceError(*answer["error"])
    facts = answer["slice"]
    image = np.frombuffer(pixels, np.dtype(answer["dtype"])).reshape(answer["shape"]).copy()
    header = DicomHeader(**facts["header"]) if facts["header"] else None
    return SliceImage(**facts | {"image": image, "header": header, "notes": tuple(facts["notes"])})
