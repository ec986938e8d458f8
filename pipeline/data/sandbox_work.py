"""What the sandbox's worker does: read one frame, or describe every frame of a file."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom

from pipeline.data.decode import decode_frames, decode_slice
from pipeline.data.describe import describe_file
from pipeline.data.slice_image import SliceError

cv2.setNumThreads(1)
warnings.simplefilter("ignore")  # the header's small sins are no news; the result is checked
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def answer(request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Answer one request: `{"verb": "read" | "describe" | "measure", "path" or a payload, ...}`."""
    source = Path(request["path"]) if request.get("path") is not None else payload
    key = bytes.fromhex(request["key"]) if request.get("key") else None
    try:
        return _VERBS[request["verb"]](source, request, key)
    except SliceError as error:
        return {"error": [error.code, error.reason]}, b""
    except MemoryError:
        return {"error": ["too-large", "Decoding it takes more memory than one file may."]}, b""
    except Exception as error:  # one file's oddity must not end the worker that others wait for
        return {"error": ["crashed", f"Its decoder broke down ({type(error).__name__})."]}, b""


def _read(source: Path | bytes, request: dict[str, Any], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    read = decode_slice(source, frame=request["frame"], key=key)
    image = np.ascontiguousarray(read.image)
    facts = asdict(replace(read, image=np.empty(0)))
    del facts["image"]
    return {"slice": facts, "shape": image.shape, "dtype": image.dtype.str}, image.tobytes()


def _describe(source: Path | bytes, _: dict[str, Any], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    rows, fingerprints = describe_file(Path(str(source)), key=key)
    return {"rows": rows}, fingerprints.tobytes()


def _measure(source: Path | bytes, _: dict[str, Any], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    """Return what the audit measures of each frame; None where it can't be read."""
    from pipeline.data.measures import measure_slice

    found = [
        None if isinstance(read, SliceError) else measure_slice(read) for read in decode_frames(source, key=key)
    ]
    return {"measures": found}, b""


_VERBS = {"read": _read, "describe": _describe, "measure": _measure}
