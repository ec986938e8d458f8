"""Small pictures of slices, made once and kept on disk, and what the average slice of a class looks like."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.datasets import index_state, require_manifest
from pipeline.data.reading import load_slice
from pipeline.data.slice_image import SliceError
from pipeline.data.statistics import display_grey
from pipeline.data.table import OK, UNLABELLED
from pipeline.workspace import Workspace, atomic_write_parquet

SIDE = 176  # pixels of the longer side
MEAN_SIDE = 128
MEAN_SLICES = 80  # of a class that its mean image is made of
MEAN_VERSION = 1
_QUALITY = 88
_THREADS = min(4, os.cpu_count() or 1)
_TOGETHER = 16  # slices between two words on progress
_END_OF_JPEG = b"\xff\xd9"


@dataclass(frozen=True)
class ClassMean:
    """The mean image of a class and its standard deviation, (128, 128) uint8, and of how many slices."""

    label: str
    mean: NDArray[np.uint8]
    deviation: NDArray[np.uint8]
    slices: int


def load_thumbnail(workspace: Workspace, dataset: str, row: Mapping[Any, Any] | pd.Series) -> bytes | None:
    """Return a slice of the index as a small JPEG, None where its file cannot be read any more.

    It is made at the first call and kept in the data set's folder, under the slice's id and its pixels' hash:
    a slice that changed gets a new one.
    """
    if row["status"] != OK:
        return None
    path = _file(workspace, dataset, str(row["slice_id"]), str(row["content_hash"]))
    if (kept := _read_whole(path)) is not None:
        return kept
    try:
        read = load_slice(workspace, dataset, row)
    except SliceError:
        return None
    small = reduce_to(display_grey(read.image, intensity=read.intensity), side=SIDE)
    data = bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())
    _write(path, data)
    return data


def reduce_to(grey: NDArray[np.uint8], *, side: int) -> NDArray[np.uint8]:
    """Return a picture (rows, columns) uint8 whose longer side is at most `side` pixels."""
    scale = side / max(grey.shape)
    if scale >= 1:
        return grey
    size = tuple(max(1, round(length * scale)) for length in grey.shape[::-1])
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def load_thumbnails(
    workspace: Workspace, dataset: str, rows: Sequence[Mapping[Any, Any]]
) -> list[bytes | None]:
    """Return the thumbnails of several rows, in their order; missing ones are made side by side."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="thumbnails") as pool:
        return list(pool.map(lambda row: load_thumbnail(workspace, dataset, row), rows))


def average_classes(
    workspace: Workspace,
    dataset: str,
    index: pd.DataFrame,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ClassMean]:
    """Return the mean and the deviation of each class, of up to 80 slices drawn evenly from it.

    Slices of all sizes are stretched to one square: that is what a careless eye, and a model, sees in common.
    They are made once for each state of the index and kept beside it; `on_progress` is told how many slices
    are read, of how many.
    """
    require_manifest(workspace, dataset)
    state = f"{MEAN_VERSION}-{index_state(workspace, dataset)}"
    kept = workspace.dataset_dir(dataset) / "averages.parquet"
    if (means := _load_means(kept, state)) is not None:
        return means
    chosen = _drawn_evenly(index)
    total, done, means = sum(len(rows) for _, rows in chosen), 0, []
    for label, rows in chosen:
        pictures = []
        for start in range(0, len(rows), _TOGETHER):
            facts = rows.iloc[start : start + _TOGETHER].to_dict("records")
            small = load_thumbnails(workspace, dataset, facts)
            pictures += [_square(data) for data in small if data is not None]
            done += len(facts)
            on_progress(done, total)
        if pictures:
            stack = np.stack(pictures).astype(np.float32)
            deviation = np.clip(stack.std(axis=0), 0, 255).astype(np.uint8)
            means.append(ClassMean(label, stack.mean(axis=0).astype(np.uint8), deviation, len(pictures)))
    _keep_means(kept, means, state)
    return means


def _drawn_evenly(index: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return up to 80 readable rows of each class."""
    usable = np.flatnonzero((index["status"] == OK).to_numpy(bool))
    codes, labels = pd.factorize(index["label"].iloc[usable].fillna(UNLABELLED))
    drawn = []
    for code, label in enumerate(labels):
        rows = usable[codes == code]
        places = np.unique(np.linspace(0, len(rows) - 1, MEAN_SLICES).round().astype(int))
        drawn.append((str(label), index.iloc[rows[places]]))
    return drawn


def _load_means(path: Path, state: str) -> list[ClassMean] | None:
    try:
        table = pd.read_parquet(path)
    except OSError:
        return None
    if table.attrs.get("state") != state:
        return None
    columns = ("label", "mean_image", "deviation", "slices")
    return [
        ClassMean(str(label), _picture(mean), _picture(deviation), int(slices))
        for label, mean, deviation, slices in zip(*(table[name] for name in columns), strict=True)
    ]


def _keep_means(path: Path, means: Sequence[ClassMean], state: str) -> None:
    table = pd.DataFrame(
        {
            "label": [mean.label for mean in means],
            "slices": [mean.slices for mean in means],
            "mean_image": [mean.mean.tobytes() for mean in means],
            "deviation": [mean.deviation.tobytes() for mean in means],
        }
    )
    table.attrs = {"state": state}
    atomic_write_parquet(path, table)


def _picture(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(MEAN_SIDE, MEAN_SIDE)


def _square(data: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.resize(picture, (MEAN_SIDE, MEAN_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _read_whole(path: Path) -> bytes | None:
    """Return a kept thumbnail, None where there is none or a power cut left half of one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data if data.endswith(_END_OF_JPEG) else None


def _write(path: Path, data: bytes) -> None:
    """Write a thumbnail whole, without waiting for the disk: it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # a full disk: it is shown all the same
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)


def _file(workspace: Workspace, dataset: str, slice_id: str, content_hash: str) -> Path:
    folder = workspace.dataset_dir(dataset) / "thumbnails" / slice_id[:2]
    return folder / f"{slice_id}-{content_hash[:8]}.jpg"
