"""Small pictures of slices, made once and kept on disk, and what the average slice of a class looks like."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.datasets import require_manifest
from pipeline.data.reading import load_slice
from pipeline.data.slice_image import SliceError
from pipeline.data.statistics import display_grey
from pipeline.data.table import OK, UNLABELLED
from pipeline.workspace import Workspace

SIDE = 176  # pixels of the longer side
MEAN_SIDE = 128
MEAN_SLICES = 80  # of a class that its mean image is made of
_QUALITY = 88
_END_OF_JPEG = b"\xff\xd9"


@dataclass(frozen=True)
class ClassMean:
    """The mean image of a class and its standard deviation, (128, 128) uint8, and of how many slices."""

    label: str
    mean: NDArray[np.uint8]
    deviation: NDArray[np.uint8]
    slices: int


def load_thumbnail(workspace: Workspace, dataset: str, row: Mapping[str, Any] | pd.Series) -> bytes | None:
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


def average_classes(workspace: Workspace, dataset: str, index: pd.DataFrame) -> list[ClassMean]:
    """Return the mean and the deviation of each class, of up to 80 slices drawn evenly from it.

    Slices of all sizes are stretched to one square: that is what a careless eye, and a model, sees in common.
    """
    require_manifest(workspace, dataset)
    usable = index[index["status"] == OK]
    means = []
    for label, rows in usable.groupby(usable["label"].fillna(UNLABELLED), sort=False):
        chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, MEAN_SLICES).round().astype(int))]
        thumbnails = [load_thumbnail(workspace, dataset, row) for _, row in chosen.iterrows()]
        pictures = [_square(data) for data in thumbnails if data is not None]
        if pictures:
            stack = np.stack(pictures).astype(np.float32)
            deviation = np.clip(stack.std(axis=0), 0, 255).astype(np.uint8)
            means.append(ClassMean(str(label), stack.mean(axis=0).astype(np.uint8), deviation, len(pictures)))
    return means


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
