"""The index as a table: its columns, their types, and the rows' making."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from pipeline.data.slice_image import SliceError

OK = "ok"
UNLABELLED = "unlabelled"

BYTES = ("histogram", "fingerprint")
HEADER_IDS = ("header_patient_id", "header_study_uid", "header_series_uid")  # before a CSV's ids replace them
HIDDEN = (*BYTES, *HEADER_IDS)  # `load_index` leaves them out
GIVEN = frozenset({"label", "patient_id", "study_uid", "series_uid", "source"})  # what a CSV may replace

TEXT = (
    "slice_id", "path", "label", "patient_id", "study_uid", "series_uid", "kernel", "manufacturer",
    "image_position", "image_orientation", "modality", "source", "format", "intensity", "note",
    "content_hash", "perceptual_hash", "status",
    "error", "chest_doubt", *HEADER_IDS,
)  # fmt: skip
WHOLE = ("frame", "bytes", "mtime_ns")
WHOLE_OR_NULL = ("width", "height", "channels", "bit_depth", "p01", "p50", "p99", "audit_version")
REAL = (
    "slice_location", "pixel_spacing", "window_center", "window_width", "intensity_min", "intensity_max",
    "intensity_mean", "intensity_std", "entropy", "sharpness", "border_mean", "dark_fraction",
    "lung_fraction", "marks", "body_cut", "blur", "noise", "missing_rows", "lung_black", "tissue_white",
    "lung_contrast",
)  # fmt: skip
COLUMNS = (
    "slice_id", "path", "frame", "label", "patient_id", "study_uid", "series_uid", "slice_location",
    "pixel_spacing", "image_position", "image_orientation",
    "kernel", "manufacturer", "modality", "window_center", "window_width", "source",
    "format", "intensity", "width", "height", "channels", "channels_equal", "bit_depth", "bytes",
    "mtime_ns", "content_hash", "perceptual_hash", "intensity_min", "intensity_max", "intensity_mean",
    "intensity_std", "p01", "p50", "p99", "entropy", "sharpness", "border_mean", "dark_fraction",
    "lung_fraction", "chest_doubt", "marks", "body_cut", "blur", "noise", "missing_rows", "lung_black",
    "tissue_white", "lung_contrast", "audit_version", "note", "status", "error", *HIDDEN,
)  # fmt: skip
# What the pixels and the header alone say: kept from one pass to the next while a file does not change.
MEASURED = tuple(name for name in COLUMNS if name not in GIVEN | {"slice_id"})


def slice_id(dataset: str, path: str, frame: int) -> str:
    """Return the id of a slice: it stays the same over re-indexing, and on another machine.

    >>> slice_id("hust", "pCT/a.jpg", 0)
    'de486f593e974333'
    """
    return hashlib.sha256(f"{dataset}\0{path}\0{frame}".encode()).hexdigest()[:16]


def failed_row(error: SliceError, *, frame: int = 0) -> dict[str, Any]:
    """Return the row of a frame that could not be read."""
    return {"frame": frame, "status": error.code, "error": error.reason}


def build_table(rows: Iterable[Mapping[str, Any]], *, further: Iterable[str] = ()) -> pd.DataFrame:
    """Return rows as a table with every column of the contract in its type; `further` columns are text."""
    text_columns = [name for name in further if name not in COLUMNS]
    table = pd.DataFrame(list(rows), columns=[*COLUMNS, *text_columns], dtype=object)
    for name in (*TEXT, *text_columns):
        table[name] = table[name].astype("str")
    for name in WHOLE:
        table[name] = table[name].fillna(0).astype("int64")
    for name in WHOLE_OR_NULL:
        table[name] = table[name].astype("Int64")
    for name in REAL:
        table[name] = pd.to_numeric(table[name]).astype("float64")
    table["channels_equal"] = table["channels_equal"].astype("boolean")
    return table
