"""The cache on disk, and reading from it.

    cache/<data set>-<recipe's hash>/
        index-<key>.parquet     slice_id, row, content_hash, ok, error; written last, when all is there
        slices-<key>.npy        uint8 (n, size, size) or (n, size, size, 3), memory-mapped
        cache.json              which data set and recipe it is of

`key` is a hash of the data set's slices (ids and contents, in order), so a changed file, a new slice or
another recipe (whose hash covers its stages' versions) is another cache: none changes under its reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cache.errors import CacheMissingError
from pipeline.data.index import load_index
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import Workspace, checked_name


@dataclass(frozen=True)
class SliceCache:
    """The slices of a data set after one recipe.

    Attributes:
        array: uint8 (n, size, size) or (n, size, size, 3), memory-mapped and read-only.
        index: one row a slice of the data set: `slice_id`, `row` in `array`, `content_hash`, `ok`, `error`.
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


def content_key(index: pd.DataFrame) -> str:
    """Return 12 hex digits that change with any slice's id or content, or their order."""
    lines = (index["slice_id"].astype(str) + ":" + index["content_hash"].astype(str)).str.cat(sep="\n")
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def read_cache(folder: Path, key: str) -> SliceCache | None:
    """Open the cache of this key read-only; None where it is not complete."""
    index_path, array_path = folder / f"index-{key}.parquet", folder / f"slices-{key}.npy"
    if not (index_path.is_file() and array_path.is_file()):
        return None
    return SliceCache(np.load(array_path, mmap_mode="r"), pd.read_parquet(index_path))


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
