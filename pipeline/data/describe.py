"""Turning one file into rows of the index: facts and measurements, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.decode import decode_frames, identify
from pipeline.data.formats import detect_format
from pipeline.data.opening import read_failure, read_head
from pipeline.data.pseudonyms import pseudonym
from pipeline.data.slice_image import DicomHeader, SliceError, SliceImage
from pipeline.data.statistics import FINGERPRINT_SIDE, describe_slice
from pipeline.data.table import failed_row

_IDENTIFIERS = ("patient_id", "study_uid", "series_uid")


def describe_file(
    path: Path, *, key: bytes | None = None, on_frame: Callable[[], None] = lambda: None
) -> tuple[list[dict[str, Any]], NDArray[np.uint8]]:
    """Read a file and describe each frame.

    Args:
        path: a file, or a member of an archive (`archive.zip/name`).
        key: for the header's identifiers.
        on_frame: called before each frame.

    Returns:
        One dictionary a frame (`status` is "ok" or an error code), and the fingerprints of all of them, (n,
        32, 32) uint8, zeros where a frame could not be read.

    Raises:
        SliceError: `archive`, where it is a ZIP: its members are described one by one. Nothing else is raised
            for what the file is.
    """
    rows: list[dict[str, Any]] = []
    fingerprints: list[NDArray[np.uint8]] = []
    try:
        before = identify(path)
        for frame, read in enumerate(decode_frames(path, key=key, on_frame=on_frame)):
            row, fingerprint = _describe_frame(read, frame)
            rows.append(row)
            fingerprints.append(fingerprint)
        _join_frames(rows, path, key)
        if identify(path) != before:
            raise SliceError(
                "changed", "The file changed while it was read: index again when it is complete."
            )
    except OSError as error:
        rows, fingerprints = _failed(path, read_failure(error))
    except MemoryError:
        rows, fingerprints = _failed(path, SliceError("too-large", "It takes more memory than one file may."))
    except SliceError as error:
        if error.code == "archive":
            raise
        rows, fingerprints = _failed(path, error)
    except Exception as error:  # one file's oddity must not end the worker that others wait for
        reason = f"Its decoder broke down ({type(error).__name__})."
        rows, fingerprints = _failed(path, SliceError("crashed", reason))
    return rows, np.stack(fingerprints)


def _describe_frame(read: SliceImage | SliceError, frame: int) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    if isinstance(read, SliceError):
        return failed_row(read, frame=frame), _no_fingerprint()
    measured, fingerprint = describe_slice(read)
    height, width = read.image.shape
    header = dict(vars(read.header or DicomHeader()))
    identifiers = {f"header_{name}": header.pop(name) for name in _IDENTIFIERS}
    row = {
        "frame": frame,
        "format": read.format,
        "intensity": read.intensity,
        "width": width,
        "height": height,
        "channels": read.channels,
        "channels_equal": read.channels_equal,
        "bit_depth": read.bit_depth,
        "note": "; ".join(read.notes) or None,
        "status": "ok",
        "error": None,
    }
    return row | header | identifiers | measured, fingerprint


def _join_frames(rows: list[dict[str, Any]], path: Path, key: bytes | None) -> None:
    """Make the frames of a file one series where its header names none: they are of one person."""
    if len(rows) > 1:
        series = pseudonym(str(path), key=key, kind="file")
        for row in rows:
            row["header_series_uid"] = row.get("header_series_uid") or series


def _failed(path: Path, error: SliceError) -> tuple[list[dict[str, Any]], list[NDArray[np.uint8]]]:
    row = failed_row(error)
    try:
        row["format"] = detect_format(read_head(path))
    except (OSError, SliceError):
        row["format"] = None
    return [row], [_no_fingerprint()]


def _no_fingerprint() -> NDArray[np.uint8]:
    return np.zeros((FINGERPRINT_SIDE, FINGERPRINT_SIDE), np.uint8)
