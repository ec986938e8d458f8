"""Preparing a data set's slices with a recipe, in two processes, so that a kill costs seconds and no more."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from pipeline.cache.errors import CacheError, CacheSpaceError, NothingToCacheError
from pipeline.cache.store import SliceCache, cache_folder, content_key, read_cache, readable_rows
from pipeline.data.index import load_index, slice_path
from pipeline.data.reading import SliceError, read_slice
from pipeline.jobs import Progress, no_progress
from pipeline.locks import only_one
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

PROCESSES = 2
CHUNK = 32  # slices a task: a kill costs at most this many a process
MOST_FAILED = 0.1  # slices that were readable when indexed: more than this, and their folder is gone
FEW = 96  # below, starting processes costs more than they save
_WAITING, _DONE, _FAILED = 0, 1, 2

# slice file, frame, row of the array
Task = tuple[str, int, int]


def build_cache(
    workspace: Workspace, dataset: str, recipe: Recipe, progress: Progress = no_progress
) -> SliceCache:
    """Prepare the slices of `dataset` with `recipe`, or open what is prepared already.

    Goes on where a killed process left off. Slices whose content is the same as in an older cache of this
    recipe are copied from it. Slices that can't be read are left out and counted (`SliceCache.unreadable`).

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

    with only_one(folder / ".lock.db", waiting=waiting):
        if (found := read_cache(folder, key)) is None:
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
    partial = folder / f"partial-{key}.npy"
    states_path = folder / f"partial-{key}.states"
    paths = [slice_path(workspace, dataset, row) for _, row in index.iterrows()]
    frames = index["frame"].astype(int).tolist()
    states, array = _open_partial(partial, states_path, (len(index), *_output_shape(recipe)))
    _copy_unchanged(folder, index, array, states)
    todo = [
        (str(paths[row]), frames[row], row) for row in range(len(index)) if states[row] != _DONE
    ]  # failed slices get another chance: a network folder may be back
    errors = [""] * len(index)
    done = len(index) - len(todo)
    progress(done, len(index), "Preparing slices")
    for row, error in _prepare_all(todo, recipe, partial):
        states[row], errors[row] = (_FAILED, error) if error else (_DONE, "")
        done += 1
        if done % CHUNK == 0:
            states.flush()
        progress(done, len(index), f"Preparing slices: {done:,} of {len(index):,}")
    failed = int((np.asarray(states) != _DONE).sum())
    if failed > MOST_FAILED * len(index):
        raise NothingToCacheError(_vanished(workspace, dataset, index, failed))
    table = index[["slice_id", "content_hash"]].assign(
        row=np.arange(len(index)), ok=np.asarray(states) == _DONE, error=errors
    )
    array.flush()
    del array
    partial.replace(folder / f"slices-{key}.npy")
    atomic_write_parquet(folder / f"index-{key}.parquet", table)
    states_path.unlink(missing_ok=True)


def _output_shape(recipe: Recipe) -> tuple[int, ...]:
    """Return the shape of one prepared slice: (size, size) or (size, size, 3)."""
    return tuple(preprocess_output(np.zeros((64, 64), np.uint8), intensity="grey", recipe=recipe).shape)


def _open_partial(partial: Path, states_path: Path, shape: tuple[int, ...]) -> tuple[np.memmap, np.memmap]:
    """Open the unfinished files of an earlier attempt, or begin new ones."""
    try:
        if partial.is_file() and states_path.is_file():
            array = np.lib.format.open_memmap(partial, mode="r+")
            states = np.memmap(states_path, dtype=np.uint8, mode="r+")
            if array.shape == shape and states.shape == shape[:1]:
                return states, array
        partial.unlink(missing_ok=True)
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(partial)
        return np.memmap(states_path, dtype=np.uint8, mode="w+", shape=shape[:1]), array
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            partial.unlink(missing_ok=True)
            raise _no_space(partial.parent, int(np.prod(shape))) from error
        raise


def _reserve(path: Path) -> None:
    """Take the file's whole room on the disk now: writing into a hole of a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _copy_unchanged(folder: Path, index: pd.DataFrame, array: np.memmap, states: np.memmap) -> None:
    """Take slices of the same content from an older cache of this recipe."""
    for path in folder.glob("index-*.parquet"):
        old = read_cache(folder, path.stem.removeprefix("index-"))
        if old is None or old.array.shape[1:] != array.shape[1:]:
            continue
        kept = old.index[old.index["ok"]].drop_duplicates(["slice_id", "content_hash"])
        both = index.assign(new=np.arange(len(index))).merge(kept, on=["slice_id", "content_hash"])
        for new, row in zip(both["new"], both["row"], strict=True):
            if states[new] != _DONE:
                array[new], states[new] = old.array[row], _DONE


def _prepare_all(todo: list[Task], recipe: Recipe, partial: Path) -> Iterator[tuple[int, str]]:
    """Yield (row, reason or "") as slices are written into the partial file."""
    if len(todo) < FEW:
        for task in todo:
            yield from _prepare([task], recipe.model_dump_json(), str(partial))
        return
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    # Spawned, not forked: the parent has threads (heartbeat, OpenCV), and Windows knows nothing else.
    pool = ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        futures: list[Future[list[tuple[int, str]]]] = [
            pool.submit(_prepare, chunk, recipe.model_dump_json(), str(partial)) for chunk in chunks
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


def _prepare(tasks: list[Task], recipe_json: str, partial: str) -> list[tuple[int, str]]:
    """Read and prepare slices, write each to its row; runs in a worker process."""
    cv2.setNumThreads(1)  # two processes share the cores already
    recipe = Recipe.model_validate_json(recipe_json)
    array = np.lib.format.open_memmap(partial, mode="r+")
    results = []
    for path, frame, row in tasks:
        try:
            read = read_slice(Path(path), frame=frame)
            array[row] = preprocess_output(read.image, intensity=read.intensity, recipe=recipe)
            results.append((row, ""))
        except SliceError as error:
            results.append((row, str(error)))
    array.flush()
    return results


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
