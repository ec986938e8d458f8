"""A map of a data set: slices that look alike lie close together. Made once for each state of the index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from pipeline.data.datasets import index_file, index_state, require_manifest
from pipeline.data.statistics import FINGERPRINT_SIDE
from pipeline.workspace import Workspace, atomic_write_bytes, atomic_write_parquet

MOST_SLICES = 20_000  # on a map: beyond, slices are drawn evenly from the whole index, and it says so
VERSION = 1
_SIDE = 16  # pixels of what is compared: finer detail is noise and vessels
_FITTED = 5_000  # slices that the axes are found on
_QUALITY = 72
_BATCH = 20_000


@dataclass(frozen=True, eq=False)
class SliceMap:
    """Places of slices on the map, and a sheet of their small pictures.

    Attributes:
        rows: (n,) rows of the index, rising.
        places: (n, 2) float32, the first two principal components.
        explained: the share of the variance of pictures that each of the two holds.
        readable: slices that could be on it.
        sheet: one grey JPEG of square tiles of `tile` pixels, `columns` a row, in the order of `rows`.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float32]
    explained: tuple[float, float]
    readable: int
    sheet: bytes
    tile: int = FINGERPRINT_SIDE

    @property
    def columns(self) -> int:
        """Tiles in a row of the sheet."""
        return sheet_columns(len(self.rows))


def load_map(workspace: Workspace, dataset: str) -> SliceMap:
    """Return the map of a data set; the first call after its index changed makes it.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    require_manifest(workspace, dataset)
    folder = workspace.dataset_dir(dataset)
    state = f"{VERSION}-{index_state(workspace, dataset)}"
    if (kept := _load_kept(folder, state)) is not None:
        return kept
    rows, pictures, readable = _read_pictures(index_file(workspace, dataset))
    places, explained = principal_places(pictures)
    made = SliceMap(rows, places, explained, readable, tile_sheet(pictures))
    table = pd.DataFrame({"row": rows, "x": places[:, 0], "y": places[:, 1]})
    table.attrs = {"state": state, "explained": list(explained), "readable": readable}
    atomic_write_bytes(folder / "map.jpg", made.sheet)
    atomic_write_parquet(folder / "map.parquet", table)
    return made


def principal_places(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return the first two principal components of pictures, and the share of variance that each holds.

    Pictures are reduced to 16 x 16 and centred; they keep their brightness and contrast, since these are what
    often tells sources apart. The sign of an axis is such that its greatest weight is positive.

    Args:
        pictures: (n, 32, 32) uint8.

    Returns:
        places (n, 2) float32 and two shares in [0, 1].
    """
    count = len(pictures)
    if count < 3:
        return np.zeros((count, 2), np.float32), (0.0, 0.0)
    step = FINGERPRINT_SIDE // _SIDE
    blocks = pictures.reshape(count, _SIDE, step, _SIDE, step)
    features = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    fitted = features[np.linspace(0, count - 1, min(count, _FITTED)).astype(int)]
    center = fitted.mean(axis=0)
    covariance = np.cov(fitted - center, rowvar=False)
    variances, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    total = max(float(variances.sum()), 1e-12)
    explained = (float(variances[-1]) / total, float(variances[-2]) / total)
    return ((features - center) @ axes).astype(np.float32), explained


def tile_sheet(pictures: NDArray[np.uint8]) -> bytes:
    """Return (n, side, side) uint8 pictures as one JPEG of tiles; empty bytes where there is none."""
    count, side = len(pictures), pictures.shape[1]
    if not count:
        return b""
    columns = sheet_columns(count)
    lines = -(-count // columns)
    sheet = np.zeros((lines * columns, side, side), np.uint8)
    sheet[:count] = pictures
    whole = sheet.reshape(lines, columns, side, side).transpose(0, 2, 1, 3).reshape(lines * side, -1)
    return bytes(cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def sheet_columns(count: int) -> int:
    """Return how many tiles a row of a sheet has: sheets are about square.

    >>> sheet_columns(20_000), sheet_columns(1)
    (142, 1)
    """
    return max(1, int(np.ceil(np.sqrt(count))))


def _load_kept(folder: Path, state: str) -> SliceMap | None:
    try:
        table = pd.read_parquet(folder / "map.parquet")
        sheet = (folder / "map.jpg").read_bytes()
    except OSError:
        return None
    if table.attrs.get("state") != state:
        return None
    first, second = table.attrs["explained"]
    places = table[["x", "y"]].to_numpy(np.float32)
    return SliceMap(table["row"].to_numpy(np.int64), places, (first, second), table.attrs["readable"], sheet)


def _read_pictures(path: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8], int]:
    """Return rows and fingerprints of up to 20,000 slices, and of how many; a batch in memory at a time."""
    file = pyarrow.parquet.ParquetFile(path)
    status = file.read(columns=["status"])["status"].to_numpy(zero_copy_only=False)
    readable = np.flatnonzero(status == "ok")
    chosen = readable[
        np.unique(np.linspace(0, len(readable) - 1, min(len(readable), MOST_SLICES)).astype(int))
    ]
    kept_rows, kept, start = [], [], 0
    for batch in file.iter_batches(batch_size=_BATCH, columns=["fingerprint"]):
        own = chosen[(chosen >= start) & (chosen < start + len(batch))]
        for row, value in zip(own, batch.column(0).take(own - start).to_pylist(), strict=True):
            if value is not None:
                kept_rows.append(row)
                kept.append(value)
        start += len(batch)
    pictures = np.frombuffer(b"".join(kept), np.uint8).reshape(-1, FINGERPRINT_SIDE, FINGERPRINT_SIDE)
    return np.array(kept_rows, np.int64), pictures, len(readable)
