"""What the sandbox's worker does: read one frame, or describe every frame of a file."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom

from pipeline.data.decode import decode_slice
from pipeline.data.describe import describe_file
from pipeline.data.slice_image import SliceError

cv2.setNumThreads(1)
warnings.simplefilter("ignore")  # the header's small sins are no news; the result is checked
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def answer(request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Answer one request: `{"verb": "read" | "describe", "path" or a payload, "frame", "key"}`."""
    key = bytes.fromhex(request["key"]) if request.get("key") else None
    path = Path(request["path"]) if request.get("path") is not None else None
    if request["verb"] == "describe" and path is not None:
        rows, fingerprints = describe_file(path, key=key)
        return {"rows": rows}, fingerprints.tobytes()
    try:
        read = decode_slice(path if path is not None else payload, frame=request["frame"], key=key)
    except SliceError as error:
        return {"error": [error.code, error.reason]}, b""
    except MemoryError:
        return {"error": ["too-large", "Decoding it takes more memory than one file may."]}, b""
    except Exception as error:  # one file's oddity must not end the worker that others wait for
        return {"error": ["crashed", f"Its decoder broke down ({type(error).__name__})."]}, b""
    facts = asdict(replace(read, image=np.empty(0)))
    del facts["image"]
    image = np.ascontiguousarray(read.image)
    return {"slice": facts, "shape": image.shape, "dtype": image.dtype.str}, image.tobytes()
