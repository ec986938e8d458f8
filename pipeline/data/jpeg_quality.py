"""How hard JPEG files were compressed: read off the quantisation table at their head, no pixel decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.datasets import require_manifest
from pipeline.workspace import Workspace

_HEAD = 1 << 16  # bytes: tables come before the first scan
# Luminance table of ITU-T T.81, K.1, its 64 entries' sum: what quality 50 writes.
_SUM_AT_50 = 3688.0
_START, _TABLES, _SCAN = 0xD8, 0xDB, 0xDA


def measure_jpeg_quality(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> pd.Series:
    """Return the quality (1 to 100, libjpeg's scale) of each row's file, null where it is no JPEG."""
    source = Path(require_manifest(workspace, dataset)["source"])
    values = [
        _of_file(source / row["path"]) if row["format"] == "jpeg" else None
        for row in rows[["path", "format"]].to_dict("records")
    ]
    return pd.Series(values, index=rows.index, name="jpeg_quality", dtype="Int64")


def jpeg_quality(data: bytes) -> int | None:
    """Return the quality that a JPEG's luminance table was made with, None where it has none.

    Tables are scaled by 5000 / q below 50 and by 200 - 2 q above; the sum of the entries is solved for q.
    Entries end at 255, so a quality below 20 or so is overestimated.
    """
    table = _luminance_table(data)
    if table is None:
        return None
    scale = 100.0 * table.sum() / _SUM_AT_50
    return int(np.clip(round(100 - scale / 2 if scale <= 100 else 5000 / scale), 1, 100))


def _of_file(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            return jpeg_quality(file.read(_HEAD))
    except OSError:  # gone, or within an archive
        return None


def _luminance_table(data: bytes) -> np.ndarray | None:
    """Return the 64 entries of table 0, walking from segment to segment."""
    at = 2 if data[:2] == bytes((0xFF, _START)) else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == _TABLES:
            segment = data[at + 4 : at + 2 + length]
            while segment:
                kind = np.dtype(">u2" if segment[0] >> 4 else "u1")
                entries = segment[1 : 1 + 64 * kind.itemsize]
                if segment[0] & 15 == 0 and len(entries) == 64 * kind.itemsize:
                    return np.frombuffer(entries, kind).astype(np.float64)
                segment = segment[1 + 64 * kind.itemsize :]
        at += 2 + max(length, 2)
    return None
