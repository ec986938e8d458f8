"""The data sets of a workspace: listing, loading, removing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from pipeline.data.in_use import paused_text, require_unused
from pipeline.data.statistics import FINGERPRINT_SIDE, HISTOGRAM_BINS
from pipeline.data.table import HIDDEN
from pipeline.errors import HilumError
from pipeline.workspace import Workspace, read_json


class DatasetNotFoundError(HilumError):
    """No data set has this name."""


class DatasetExistsError(HilumError):
    """The name is taken by another folder."""


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says. `patients` counts known ids; `synthetic` marks phantoms."""

    name: str
    source: str
    slices: int
    patients: int
    by_label: dict[str, int]
    created: str
    synthetic: bool
    readable: int = 0
    updated: str = ""


def list_datasets(workspace: Workspace) -> list[DatasetInfo]:
    """Return the indexed data sets, newest first."""
    manifests = [
        read_json(path)
        for path in workspace.datasets.glob("*/dataset.json")
        if not path.parent.name.startswith(".")
    ]
    fields = DatasetInfo.__dataclass_fields__
    found = [
        DatasetInfo(**{key: value for key, value in each.items() if key in fields}) for each in manifests
    ]
    return sorted(found, key=lambda info: (info.created, info.name), reverse=True)


def read_manifest(workspace: Workspace, name: str) -> dict[str, Any] | None:
    """Return `dataset.json` of a data set, None where it is not indexed."""
    path = workspace.dataset_dir(name) / "dataset.json"
    try:
        manifest: dict[str, Any] = read_json(path)
    except FileNotFoundError:
        return None
    return manifest


def require_manifest(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return `dataset.json` of a data set.

    Raises:
        DatasetNotFoundError: there is none; the message lists those there are.
    """
    manifest = read_manifest(workspace, name)
    if manifest is None:
        names = ", ".join(info.name for info in list_datasets(workspace)) or "none yet"
        raise DatasetNotFoundError(
            f"There is no data set {name!r} here (there are: {names}). Make it with "
            f"`python -m pipeline index FOLDER --name {name}`."
        )
    return manifest


def load_index(workspace: Workspace, name: str) -> pd.DataFrame:
    """Return the index, one row a slice in the order of paths and frames.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    require_manifest(workspace, name)
    path = index_file(workspace, name)
    columns = [column for column in pyarrow.parquet.read_schema(path).names if column not in HIDDEN]
    return pd.read_parquet(path, columns=columns)


def load_fingerprints(workspace: Workspace, name: str) -> NDArray[np.uint8]:
    """Return the thumbnails that near-duplicates are judged by, (n, 32, 32) uint8 in the index's order."""
    return _load_bytes(workspace, name, "fingerprint", np.dtype(np.uint8)).reshape(
        -1, FINGERPRINT_SIDE, FINGERPRINT_SIDE
    )


def load_histograms(workspace: Workspace, name: str) -> NDArray[np.float32]:
    """Return each slice's grey histogram, (n, 32) shares in the index's order; zeros where unreadable."""
    stored = _load_bytes(workspace, name, "histogram", np.dtype("<f2"))
    return stored.astype(np.float32).reshape(-1, HISTOGRAM_BINS)


def index_file(workspace: Workspace, name: str) -> Path:
    """Return where the index lies."""
    return workspace.dataset_dir(name) / "index.parquet"


def index_state(workspace: Workspace, name: str) -> str:
    """Return a mark of the index's file that changes whenever it is written: for what is kept beside it."""
    status = index_file(workspace, name).stat()
    return f"{status.st_mtime_ns}-{status.st_size}"


def slice_path(workspace: Workspace, name: str, row: Mapping[str, Any] | pd.Series) -> Path:
    """Return where the file of an index row lies."""
    return Path(require_manifest(workspace, name)["source"]) / str(row["path"])


def describe_removal(workspace: Workspace, name: str) -> str:
    """Say what `remove_dataset` would delete and what it leaves.

    Raises:
        DatasetInUseError: jobs that wait or run need it.
    """
    manifest = require_manifest(workspace, name)
    require_unused(workspace, name)
    splits = len(list((workspace.dataset_dir(name) / "splits").glob("*.json")))
    caches = len(_caches(workspace, name))
    return (
        f"This removes the index of {name} ({manifest['slices']:,} slices), its thumbnails, audit and "
        f"decisions, {splits} split(s) and {caches} preprocessed cache(s). The slices in "
        f"{manifest['source']} stay, and so do runs and readings." + paused_text(workspace, name)
    )


def remove_dataset(workspace: Workspace, name: str) -> None:
    """Delete a data set's index and what was derived from it. The source stays.

    Raises:
        DatasetNotFoundError: there is no such data set.
        DatasetInUseError: jobs that wait or run need it.
    """
    require_manifest(workspace, name)
    require_unused(workspace, name)
    for cache in _caches(workspace, name):
        shutil.rmtree(cache, ignore_errors=True)
    folder = workspace.dataset_dir(name)
    (folder / "dataset.json").unlink()  # from here on it is no data set, even if the rest takes a while
    shutil.rmtree(folder)


def _caches(workspace: Workspace, name: str) -> list[Path]:
    """Return the preprocessed caches of a data set: folders whose JSON says that they are."""
    found = []
    for path in sorted(workspace.cache.glob("*/*.json")):
        content = read_json(path)
        if isinstance(content, dict) and content.get("dataset") == name:
            found.append(path.parent)
    return found


def _load_bytes(workspace: Workspace, name: str, column: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a column of equally long values as one array, zeros where a row has none."""
    require_manifest(workspace, name)
    cells = {"fingerprint": FINGERPRINT_SIDE**2, "histogram": HISTOGRAM_BINS}[column]
    width = cells * dtype.itemsize
    stored = pyarrow.parquet.read_table(index_file(workspace, name), columns=[column])[column]
    whole = stored.cast(pyarrow.binary(width)).fill_null(bytes(width)).combine_chunks()
    return np.frombuffer(whole.buffers()[1], dtype, len(whole) * cells, offset=whole.offset * width)
