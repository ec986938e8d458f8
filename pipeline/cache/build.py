"""Preparing a data set's slices with a recipe, in several processes, so that a kill costs seconds."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.cache.errors import CacheError, CacheSpaceError, NothingToCacheError
from pipeline.cache.lease import BUILDERS
from pipeline.cache.store import (
    SliceCache,
    cache_folder,
    checksum,
    content_key,
    contents,
    read_cache,
    readable_rows,
)
from pipeline.data.datasets import require_manifest
from pipeline.data.decode import identify
from pipeline.data.index import load_index, slice_path
from pipeline.data.reading import SliceError, read_slice
from pipeline.data.statistics import content_hash
from pipeline.jobs import Progress, no_progress
from pipeline.locks import only_one
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

PROCESSES = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))
CHUNK = 32  # slices a task: a kill costs at most this many a process
MOST_FAILED = 0.1  # slices that were readable when indexed: more than this, and their folder is gone
FEW = 256  # below, starting processes, a second each, costs more than they save
ROW_STATE = np.dtype([("state", "u1"), ("crc32", "<u4")])
WAITING, DONE, FAILED = 0, 1, 2

# slice file, frame, row of the array, time of change and content when it was indexed
Task = tuple[str, int, int, int, str]
# row, what is wrong with it or "", checksum of what was written
Done = tuple[int, str, int]


def build_cache(
    workspace: Workspace, dataset: str, recipe: Recipe, progress: Progress = no_progress
) -> SliceCache:
    """Prepare the slices of `dataset` with `recipe`, or open what is prepared already.

    Goes on where a killed process left off. Slices whose content is the same as in an older cache of this
    recipe are copied from it. Slices that can't be read are left out and counted (`SliceCache.unreadable`);
    the next call reads them again.

    Raises:
        NothingToCacheError: no slice can be read.
        CacheSpaceError: the disk has no room.
    """
    index = readable_rows(load_index(workspace, dataset))
    if index.empty:
        raise NothingToCacheError(
            f"No slice of {dataset} can be read, so there is nothing to train on. Look at the reasons on the "
            f"Explore page, or index the folder again: `python -m pipeline index FOLDER --name {dataset}`."
        )
    folder, key = cache_folder(workspace, dataset, recipe), content_key(index)

    def waiting() -> None:
        progress(0, len(index), "Another process prepares these slices; waiting for it")

    with only_one(folder / BUILDERS, waiting=waiting):
        found = read_cache(folder, key)
        if found is not None and len(found.unreadable):
            _retry(workspace, dataset, index, recipe, folder, found, progress)
            found = read_cache(folder, key)
        elif found is None:
            _check_space(folder, len(index), recipe)
            made_of = {"dataset": dataset, "recipe": recipe.to_json(), "recipe_hash": recipe.hash}
            atomic_write_json(folder / "cache.json", made_of)
            _build(workspace, dataset, index, recipe, folder, key, progress)
            _remove_others(folder, key)
            found = read_cache(folder, key)
    if found is None:
        raise CacheError(f"The prepared slices of {dataset} vanished from {folder}; start again.")
    return found


def _build(
    workspace: Workspace,
    dataset: str,
    index: pd.DataFrame,
    recipe: Recipe,
    folder: Path,
    key: str,
    progress: Progress,
) -> None:
    partial, rows_path = folder / f"partial-{key}.npy", folder / f"partial-{key}.rows"
    rows, array = _open_partial(partial, rows_path, (len(index), *_output_shape(recipe)))
    _copy_unchanged(folder, index, array, rows)
    # Failed slices get another chance: a network folder may be back.
    todo = _tasks(workspace, dataset, index, np.flatnonzero(rows["state"] != DONE))
    errors = [""] * len(index)
    done = len(index) - len(todo)
    progress(done, len(index), "Preparing slices")
    for row, error, crc in _prepare_all(todo, recipe, partial):
        rows[row], errors[row] = (FAILED if error else DONE, crc), error
        done += 1
        if done % CHUNK == 0:
            rows.flush()
        progress(done, len(index), f"Preparing slices: {done:,} of {len(index):,}")
    is_done = rows["state"] == DONE
    failed = int((~is_done).sum())
    if failed > MOST_FAILED * len(index):
        raise NothingToCacheError(_vanished(workspace, dataset, index, failed))
    table = index[["slice_id"]].assign(
        content_hash=contents(index),
        row=np.arange(len(index)),
        ok=np.array(is_done),
        error=errors,
        crc32=np.array(rows["crc32"]),
    )
    array.flush()
    del array
    partial.replace(folder / f"slices-{key}.npy")
    atomic_write_parquet(folder / f"index-{key}.parquet", table)
    rows_path.unlink(missing_ok=True)


def _retry(
    workspace: Workspace,
    dataset: str,
    index: pd.DataFrame,
    recipe: Recipe,
    folder: Path,
    found: SliceCache,
    progress: Progress,
) -> None:
    """Prepare the slices that a finished cache lacks: their folder may have been away for a moment.

    Their rows are written where they lie: who reads the cache meanwhile goes by an index without them.
    """
    key, table = content_key(index), found.index.copy()
    missing = np.flatnonzero(~table["ok"])
    path = folder / f"slices-{key}.npy"
    done = len(index) - len(missing)
    progress(done, len(index), f"Trying again {len(missing):,} slices that could not be read")
    for row, error, crc in _prepare_all(_tasks(workspace, dataset, index, missing), recipe, path):
        table.loc[row, ["ok", "error"]] = not error, error
        if "crc32" in table:  # not in caches from before there were checksums
            table.loc[row, "crc32"] = crc
        done += 1
        progress(done, len(index), f"Preparing slices: {done:,} of {len(index):,}")
    if table["ok"].sum() > found.index["ok"].sum():
        np.lib.format.open_memmap(path, mode="r+").flush()
        atomic_write_parquet(folder / f"index-{key}.parquet", table)


def _tasks(workspace: Workspace, dataset: str, index: pd.DataFrame, waiting: NDArray[np.int64]) -> list[Task]:
    """Return what is to be done for the rows that wait."""
    source, chosen = Path(require_manifest(workspace, dataset)["source"]), index.iloc[waiting]
    columns = ("frame", "mtime_ns", "content_hash")
    facts = zip(*(chosen[name].tolist() for name in columns), strict=True)
    return [
        (str(source / path), int(frame), int(row), int(time), str(content))
        for path, row, (frame, time, content) in zip(chosen["path"], waiting, facts, strict=True)
    ]


def _output_shape(recipe: Recipe) -> tuple[int, ...]:
    """Return the shape of one prepared slice: (size, size) or (size, size, 3)."""
    return tuple(preprocess_output(np.zeros((64, 64), np.uint8), intensity="grey", recipe=recipe).shape)


def _open_partial(partial: Path, rows_path: Path, shape: tuple[int, ...]) -> tuple[np.memmap, np.memmap]:
    """Open the unfinished files of an earlier attempt, or begin new ones.

    What a power cut kept from the disk shows in the checksums: those rows wait again.
    """
    try:
        if _is_unfinished(partial, rows_path, shape):
            array = np.lib.format.open_memmap(partial, mode="r+")
            rows = np.memmap(rows_path, dtype=ROW_STATE, mode="r+")
            for row in np.flatnonzero(rows["state"] == DONE):
                if checksum(array[row]) != rows["crc32"][row]:
                    rows[row] = (WAITING, 0)
            return rows, array
        partial.unlink(missing_ok=True)
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(partial)
        return np.memmap(rows_path, dtype=ROW_STATE, mode="w+", shape=shape[:1]), array
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            partial.unlink(missing_ok=True)
            raise _no_space(partial.parent, int(np.prod(shape))) from error
        raise


def _is_unfinished(partial: Path, rows_path: Path, shape: tuple[int, ...]) -> bool:
    """Return whether both files of an attempt are there and as large as they should be."""
    if not (partial.is_file() and rows_path.is_file()):
        return False
    try:
        array = np.load(partial, mmap_mode="r")
    except (OSError, ValueError):
        return False
    whole = rows_path.stat().st_size == shape[0] * ROW_STATE.itemsize
    return whole and array.shape == shape and array.dtype == np.uint8


def _reserve(path: Path) -> None:
    """Take the file's whole room on the disk now: writing into a hole of a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _copy_unchanged(folder: Path, index: pd.DataFrame, array: np.memmap, rows: np.memmap) -> None:
    """Take slices of the same content from an older cache of this recipe, unless the disk spoilt them."""
    for path in folder.glob("index-*.parquet"):
        old = read_cache(folder, path.stem.removeprefix("index-"), quietly=True)
        if old is None or old.array.shape[1:] != array.shape[1:]:
            continue
        usable = old.index["ok"] & ~old.index["slice_id"].isin(old.damaged())
        kept = old.index[usable].drop_duplicates(["slice_id", "content_hash"])
        wanted = index[["slice_id"]].assign(content_hash=contents(index), new=np.arange(len(index)))
        both = wanted.merge(kept, on=["slice_id", "content_hash"])
        for new, row in zip(both["new"], both["row"], strict=True):
            if rows["state"][new] != DONE:
                array[new] = old.array[row]
                rows[new] = (DONE, checksum(array[new]))


def _prepare_all(todo: list[Task], recipe: Recipe, partial: Path) -> Iterator[Done]:
    """Yield what came of each slice, as they are written into the partial file."""
    if len(todo) < FEW:
        yield from _prepare(todo, recipe, partial)
        return
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    # Spawned, not forked: the parent has threads (heartbeat, OpenCV), and Windows knows nothing else.
    pool = ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        futures: list[Future[list[Done]]] = [
            pool.submit(_prepare_chunk, chunk, recipe.model_dump_json(), str(partial)) for chunk in chunks
        ]
        for future in as_completed(futures):
            yield from future.result()
    except BrokenProcessPool as error:
        raise CacheError(
            "A process that prepared slices ended without a word, most likely for want of memory. What "
            "it had prepared is kept: close other programs and start again."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_chunk(tasks: list[Task], recipe_json: str, partial: str) -> list[Done]:
    """Prepare slices in a worker process."""
    cv2.setNumThreads(1)  # the processes share the cores already
    return list(_prepare(tasks, Recipe.model_validate_json(recipe_json), Path(partial)))


def _prepare(tasks: list[Task], recipe: Recipe, partial: Path) -> Iterator[Done]:
    """Read and prepare slices, write each to its row of the partial file."""
    array = np.lib.format.open_memmap(partial, mode="r+")
    for path, frame, row, mtime_ns, indexed in tasks:
        try:
            read = read_slice(Path(path), frame=frame)
            _check_unchanged(Path(path), read.image, mtime_ns, indexed)
            output = preprocess_output(read.image, intensity=read.intensity, recipe=recipe)
        except SliceError as error:
            yield row, str(error), 0
            continue
        array[row] = output
        yield row, "", checksum(output)


def _check_unchanged(path: Path, image: NDArray[Any], mtime_ns: int, indexed: str) -> None:
    """Check that a file still holds what was indexed: its row would else keep another slice's bytes."""
    identity = identify(path)
    touched = identity is None or identity[2] != mtime_ns
    if touched and content_hash(image) != indexed:
        raise SliceError("changed", "Its file was changed after it was indexed: index the folder again.")


def _check_space(folder: Path, count: int, recipe: Recipe) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed = count * int(np.prod(_output_shape(recipe)))
    if shutil.disk_usage(folder).free < needed * 1.05:
        raise _no_space(folder, needed)


def _no_space(folder: Path, needed: int) -> CacheSpaceError:
    free = shutil.disk_usage(folder).free
    return CacheSpaceError(
        f"The prepared slices need {needed / 2**30:.1f} GiB and the disk of {folder} has {free / 2**30:.1f} "
        "GiB free. Make room, take a recipe with a smaller size, or move the workspace to a larger disk."
    )


def _vanished(workspace: Workspace, dataset: str, index: pd.DataFrame, failed: int) -> str:
    example = slice_path(workspace, dataset, index.iloc[0])
    return (
        f"{failed:,} of the {len(index):,} slices of {dataset} can not be read any more (the first lay at "
        f"{example}). Is its folder there, and the disk connected? Then start again; nothing was lost. "
        "If the slices are gone for good, index the folder again."
    )


def _remove_others(folder: Path, key: str) -> None:
    """Remove older caches of this recipe; one that a running training has open lives on until it closes."""
    for path in folder.iterdir():
        if path.stem.startswith(("index-", "slices-", "partial-", "features-")) and not path.stem.endswith(
            key
        ):
            try:
                path.unlink()
            except OSError:
                continue  # Windows keeps open files; the next build tries again
