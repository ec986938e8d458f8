"""Reading one slice: the way every room gets its pixels.

PNG, JPEG and BMP are decoded here, after their header was checked. DICOM and TIFF, whose parsers can hang,
crash or inflate without limit, are decoded in a worker process under limits of time and memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.decode import decode_slice, read_head
from pipeline.data.formats import detect_format
from pipeline.data.sandbox import WorkerDiedError, borrowed_worker
from pipeline.data.slice_image import DicomHeader, SliceError, SliceImage

__all__ = ["DicomHeader", "SliceError", "SliceImage", "read_slice", "read_slice_bytes"]

_IN_PROCESS = frozenset({"png", "jpeg", "bmp"})


def read_slice(path: str | Path, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Read one frame of a file.

    Args:
        path: a PNG, JPEG, TIFF, BMP or DICOM file; the content decides, not the name.
        frame: which frame or page, from 0.
        key: the workspace's key for the header's identifiers; without it they are left out.

    Raises:
        SliceError: with one of the index's status codes and a sentence.
    """
    file = Path(path)
    if detect_format(read_head(file)) in _IN_PROCESS:
        return decode_slice(file, frame=frame)
    return _read_in_sandbox({"path": str(file.absolute())}, b"", frame, key)


def read_slice_bytes(data: bytes, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Read one frame from a file's bytes, for example an upload's. See `read_slice`."""
    if detect_format(read_head(data)) in _IN_PROCESS:
        return decode_slice(data, frame=frame)
    return _read_in_sandbox({}, data, frame, key)


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
