"""What a frozen backbone makes of the slices, computed once and kept: pooled features beside the cache.

    cache/<data set>-<recipe's hash>/
        features-<look>-<key>.npy       float32 (n, k), memory-mapped; row by row those of slices-<key>.npy
        features-<look>-<key>.states    uint8 (n,), 1 where a row is computed

`look` is a hash of the backbone's weights, the network's image size and, for an augmented copy, of
augmentation, seed and the copy's number: another of these is another file, so what is kept is a cache and
nothing else. Only the rows that a training asks for are computed; a killed process goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.registry import HEAD_LAYERS
from pipeline.cache.errors import CacheSpaceError
from pipeline.cache.store import SliceCache, content_key
from pipeline.locks import only_one
from pipeline.training.augment import Changes, draw_changes, network_slice
from pipeline.training.config import TrainConfig
from pipeline.training.estimate import FEATURE_BATCH

VERSION = 1  # of the way from slice to features, beside what the key holds
KEPT_FILES = 48  # looks of earlier trainings that stay
SAVE_SECONDS = 3.0


@dataclass(frozen=True)
class Look:
    """One way of looking at all slices: as in prediction, or the n-th augmented copy."""

    name: str
    changes: Changes | None


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a data set's slices.

    Attributes:
        plain: float32 (n, k), of the slices as prediction sees them; the rows asked for are filled.
        copies: of the augmented copies; `plain` alone where there is no augmentation.
    """

    plain: np.ndarray
    copies: list[np.ndarray]


def compute_features(
    model: Any,
    cache: SliceCache,
    config: TrainConfig,
    *,
    folder: Path,
    train_rows: np.ndarray,
    plain_rows: np.ndarray,
    progress: Callable[[int, int, str], None],
) -> Features:
    """Run the backbone of `model` over the slices that are not computed yet.

    Args:
        model: of `models.create_model`, with its first weights.
        folder: where the prepared slices lie.
        train_rows: int (m,), rows of `cache` of which the augmented copies are wanted.
        plain_rows: those that are wanted as prediction sees them.
        progress: called after each batch; what it raises ends the work, and what was done stays.

    Raises:
        CacheSpaceError: the disk has no room.
    """
    key = content_key(cache.index)
    looks = looks_of(model, config, count=len(cache.array), size=cache.size)
    wanted = [plain_rows, *[train_rows] * len(looks[1:])]
    if len(looks) == 1:
        wanted = [np.union1d(plain_rows, train_rows)]
    backbone = keras.Model(model.inputs, model.get_layer("pooled").output)
    width = int(backbone.output_shape[-1])
    total = sum(len(rows) for rows in wanted)
    done, levels = 0, []

    def waiting() -> None:
        progress(0, 0, "Another process computes these features; waiting for it")

    with only_one(folder / ".features.db", waiting=waiting):
        for look, rows in zip(looks, wanted, strict=True):
            path = folder / f"features-{look.name}-{key}.npy"

            def tell(count: int, before: int = done) -> None:
                text = f"Features of the frozen backbone: {before + count:,} of {total:,}"
                progress(before + count, total, text)

            _fill(path, backbone, cache.array, look, rows, config, width, tell)
            done += len(rows)
            levels.append(np.load(path, mmap_mode="r"))
        _remove_oldest(folder, kept={f"features-{look.name}-{key}" for look in looks})
    return Features(levels[0], levels[1:] or levels)


def looks_of(model: Any, config: TrainConfig, *, count: int, size: int) -> list[Look]:
    """Return the look of prediction and those of the augmented copies, a function of weights and config.

    A copy's changes are drawn by (seed, number of the copy, row in the cache), so they do not depend on the
    split.
    """
    facts: dict[str, Any] = {
        "version": VERSION,
        "weights": backbone_hash(model),
        "input": [int(side) for side in model.input_shape[1:]],
        "precision": keras.config.dtype_policy().name,
    }
    looks = [Look(_digest(facts), None)]
    if config.augment.is_none:
        return looks
    for copy in range(config.feature_copies):
        mine = facts | {"augment": config.augment.model_dump(), "seed": config.seed, "copy": copy}
        changes = draw_changes(config.augment, count=count, size=size, seed=config.seed, epoch=copy)
        looks.append(Look(_digest(mine), changes))
    return looks


def backbone_hash(model: Any) -> str:
    """Return a sha256 over names and weights of all layers below the head, 64 hex digits."""
    digest = hashlib.sha256(model.name.encode())
    for layer in model.layers:
        if layer.name not in HEAD_LAYERS and layer.weights:
            digest.update(layer.name.encode())
            for array in layer.get_weights():
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _fill(
    path: Path,
    backbone: Any,
    slices: np.ndarray,
    look: Look,
    rows: np.ndarray,
    config: TrainConfig,
    width: int,
    tell: Callable[[int], None],
) -> None:
    """Compute the rows of one look that are missing, and write them to its file."""
    features, states = _open(path, (len(slices), width))
    os.utime(path)  # the least recently used is removed first
    todo = rows[np.asarray(states[rows]) == 0]
    waiting: list[np.ndarray] = []
    size = min(FEATURE_BATCH, config.batch_size)
    saved = time.monotonic()
    try:
        for start in range(0, len(todo), size):
            batch = todo[start : start + size]
            images = [_seen(slices, row, look, config.image_size) for row in batch]
            # Filled up, so that the network is traced for one batch size only.
            images += images[-1:] * (min(size, len(todo)) - len(images))
            features[batch] = np.asarray(backbone.predict_on_batch(np.stack(images)))[: len(batch)]
            waiting.append(batch)
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(features, states, waiting)
                saved = time.monotonic()
            tell(len(rows) - len(todo) + start + len(batch))
    finally:
        _save(features, states, waiting)


def _seen(slices: np.ndarray, row: int, look: Look, image_size: int) -> np.ndarray:
    change = None if look.changes is None else look.changes[int(row)]
    return network_slice(slices[row], change, image_size=image_size)


def _save(features: np.memmap, states: np.memmap, waiting: list[np.ndarray]) -> None:
    """Bring the features to the disk before the mark that they are there: a power cut may come between."""
    if waiting:
        features.flush()
        states[np.concatenate(waiting)] = 1
        states.flush()
        waiting.clear()


def _open(path: Path, shape: tuple[int, int]) -> tuple[np.memmap, np.memmap]:
    """Open a look's files, or begin them with their whole room taken."""
    states_path = path.with_suffix(".states")
    if path.is_file() and states_path.is_file() and states_path.stat().st_size == shape[0]:
        return np.load(path, mmap_mode="r+"), np.memmap(states_path, np.uint8, "r+")
    needed = 4 * shape[0] * shape[1]
    free = shutil.disk_usage(path.parent).free
    if free < 1.05 * needed:
        raise CacheSpaceError(
            f"The features need {needed / 2**30:.1f} GiB and the disk of {path.parent} has "
            f"{free / 2**30:.1f} GiB free. Make room, or train with fewer 'feature_copies' (0 keeps none)."
        )
    states_path.unlink(missing_ok=True)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    if hasattr(os, "posix_fallocate"):  # writing into a hole of a full disk kills the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return features, np.memmap(states_path, np.uint8, "w+", shape=shape[:1])


def _remove_oldest(folder: Path, *, kept: set[str]) -> None:
    """Remove what other trainings left beyond `KEPT_FILES`; who has a file open keeps it until it closes."""
    others = [path for path in folder.glob("features-*.npy") if path.stem not in kept]
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FILES:]:
        for file in (path.with_suffix(".states"), path):
            try:
                file.unlink(missing_ok=True)
            except OSError:
                break  # Windows keeps open files; the next training tries again
