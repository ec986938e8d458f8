"""The cache on disk, and reading from it.

    cache/<data set>-<recipe's hash>/
        index-<key>.parquet     slice_id, row, content_hash, ok, error, crc32; written last, when all is there
        slices-<key>.npy        uint8 (n, size, size) or (n, size, size, 3), memory-mapped
        cache.json              which data set and recipe it is of; its time is when the cache was last used
        .lock.db, .readers.db   who builds it, who reads it (lease.py)

`key` is a hash of the data set's slices (ids and contents, in order), so a changed file, a new slice or
another recipe (whose hash covers its stages' versions) is another cache: none changes under its reader. Nor
is a slice in colour taken from a cache of before its marks were filled, though its index may be as old.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cache.errors import CacheMissingError
from pipeline.cache.lease import hold
from pipeline.data.index import load_index
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import Workspace, checked_name

_COLOR_VERSION = 2  # of the way from a slice in colour to grey: greater, and those slices are prepared anew


@dataclass(frozen=True)
class SliceCache:
    """The slices of a data set after one recipe.

    Attributes:
        array: uint8 (n, size, size) or (n, size, size, 3), memory-mapped and read-only.
        index: one row a slice of the data set: `slice_id`, `row` in `array`, `content_hash` (`contents`),
            `ok`, `error`, `crc32` of the row's bytes (0 where the slice could not be read).
    """

    array: np.ndarray
    index: pd.DataFrame

    @property
    def slice_ids(self) -> list[str]:
        """The slices that could be read, in the order of their rows."""
        return [str(slice_id) for slice_id in self.index.loc[self.index["ok"], "slice_id"]]

    @property
    def unreadable(self) -> pd.DataFrame:
        """The slices that are left out, with `error`."""
        return self.index[~self.index["ok"]]

    @property
    def size(self) -> int:
        return int(self.array.shape[1])

    @property
    def channels(self) -> int:
        return 1 if self.array.ndim == 3 else int(self.array.shape[3])

    def damaged(self) -> list[str]:
        """Read every slice and return the ids of those whose bytes are not those that were written."""
        if "crc32" not in self.index:
            return []  # written before there were checksums
        known = self.index[self.index["ok"]]
        sums = zip(known["slice_id"], known["row"], known["crc32"], strict=True)
        return [str(slice_id) for slice_id, row, crc in sums if checksum(self.array[row]) != crc]

    def rows(self, slice_ids: Sequence[str]) -> np.ndarray:
        """Return the rows of `array` that hold these slices, int64 (len(slice_ids),).

        Raises:
            KeyError: one of them is not in the cache or could not be read.
        """
        known = self.index[self.index["ok"]].set_index("slice_id")["row"]
        return known.loc[list(slice_ids)].to_numpy(dtype=np.int64)


def cache_folder(workspace: Workspace, dataset: str, recipe: Recipe) -> Path:
    """Return where the slices of `dataset` after `recipe` lie; the folder need not exist."""
    return workspace.cache / f"{checked_name(dataset)}-{recipe.hash[:16]}"


def readable_rows(index: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a data set's index whose slices could be read when it was indexed."""
    return index[index["status"] == "ok"].reset_index(drop=True)


def contents(index: pd.DataFrame) -> pd.Series:
    """Return what tells a slice's pixels from others: its hash, and of colour how it became grey."""
    hashes = index["content_hash"].astype(str)
    if "channels_equal" not in index:  # a cache's own, which says both
        return hashes
    is_grey = index["channels_equal"].fillna(True).astype(bool)
    return hashes.where(is_grey, hashes + f"-{_COLOR_VERSION}")


def content_key(index: pd.DataFrame) -> str:
    """Return 12 hex digits that change with any slice's id or content, or their order."""
    lines = (index["slice_id"].astype(str) + ":" + contents(index)).str.cat(sep="\n")
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def checksum(prepared: np.ndarray) -> int:
    """Return the CRC-32 of a prepared slice's bytes: it finds what a disk does, not what a person does."""
    return zlib.crc32(np.ascontiguousarray(prepared).data)


def read_cache(folder: Path, key: str, *, quietly: bool = False) -> SliceCache | None:
    """Open the cache of this key read-only; None where it is not complete, or its files are no cache.

    Shape, type and size are checked here; `SliceCache.damaged` reads every byte. The cache counts as used,
    and cannot be evicted while it is held; not so with `quietly`.
    """
    index_path, array_path = folder / f"index-{key}.parquet", folder / f"slices-{key}.npy"
    if not (index_path.is_file() and array_path.is_file()):
        return None
    try:
        array, index = np.load(array_path, mmap_mode="r"), pd.read_parquet(index_path)
    except (OSError, ValueError):
        return None
    if not _is_whole(array, index, array_path):
        return None
    cache = SliceCache(array, index)
    if not quietly:
        hold(cache, folder)
        with contextlib.suppress(OSError):
            os.utime(folder / "cache.json")
    return cache


def _is_whole(array: np.ndarray, index: pd.DataFrame, path: Path) -> bool:
    """Return whether array and index are of one cache, and the file ends where the array does."""
    square = array.ndim in (3, 4) and array.shape[1] == array.shape[2] and array.shape[3:] in ((), (3,))
    whole = path.stat().st_size == getattr(array, "offset", 0) + array.nbytes
    columns = {"slice_id", "row", "content_hash", "ok"} <= set(index.columns)
    return square and whole and columns and array.dtype == np.uint8 and len(array) == len(index)


def open_cache(workspace: Workspace, dataset: str, recipe: Recipe) -> SliceCache:
    """Open the prepared slices of `dataset` as it is indexed now.

    Raises:
        CacheMissingError: they were not prepared, or the data set was indexed anew since.
    """
    key = content_key(readable_rows(load_index(workspace, dataset)))
    found = read_cache(cache_folder(workspace, dataset, recipe), key)
    if found is None:
        raise CacheMissingError(
            f"The slices of {dataset} are not prepared with the recipe {recipe.name!r} yet: "
            "training prepares them, or call pipeline.cache.build.build_cache."
        )
    return found
