"""Preparing slices once: what the cache costs beside decoding and the recipe's stages alone, and reading it.

"Alone" is the same files read and prepared by as many processes in the same portions, nothing kept: the start
of the processes is in both. Each is measured as it elapses and in processor time (of all processes), which a
busy machine changes less. Rounds take turns; the least of each counts.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from pipeline.cache.build import CHUNK, FEW, PROCESSES, build_cache
from pipeline.cache.inventory import list_caches
from pipeline.cache.store import SliceCache
from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.reading import read_slice
from pipeline.data.statistics import display_grey
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace

RECIPE = PRESETS["hilum"]
COUNTS = (200, 640)  # prepared by one process, and by several
ROUNDS = 3


def run() -> list[dict[str, Any]]:
    """Return the rows of the bench's table."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [row for count in COUNTS for row in _rows(Path(folder), count)]
    finally:
        cv2.setNumThreads(threads)


def _rows(folder: Path, count: int) -> list[dict[str, Any]]:
    workspace = Workspace.open(folder / "workspace")
    slices = _write_slices(folder / f"slices-{count}", count)
    name = f"bench-{count}"
    build_index(workspace, slices, name=name)
    paths = [slices / path for path in load_index(workspace, name)["path"]]

    alone, built = [], []
    for _ in range(ROUNDS):
        alone.append(_times(partial(_prepare_alone, paths)))
        for old in workspace.cache.glob(f"{name}-*"):
            shutil.rmtree(old)
        built.append(_times(lambda: build_cache(workspace, name, RECIPE)))
    (alone_elapsed, alone_busy), (elapsed, busy) = np.min(alone, axis=0), np.min(built, axis=0)
    cache = build_cache(workspace, name, RECIPE)
    again = _seconds(lambda: build_cache(workspace, name, RECIPE))
    what = f"cache of {count} slices, {_processes(count)} process(es)"
    peer, per_slice = "decoding and stages alone: {:.2f} ms/slice", 1e3 / count
    return [
        _row(
            f"{what}, elapsed", per_slice * elapsed, "ms/slice",
            peer.format(per_slice * alone_elapsed), elapsed / alone_elapsed,
        ),
        _row(
            f"{what}, processor time", per_slice * busy, "ms/slice",
            peer.format(per_slice * alone_busy), busy / alone_busy,
        ),
        _row(
            f"opening it again, {count} slices", 1e3 * again, "ms",
            f"building it: {1e3 * elapsed:.0f} ms", elapsed / again,
        ),
        _row(f"checksums of {count} slices", 1e3 * _seconds(cache.damaged) / count, "ms/slice"),
        _row(f"a batch of 32 from the cache of {count}", 1e3 * _batch(cache), "ms"),
        _row(f"listing, {count} slices and fewer", 1e3 * _seconds(lambda: list_caches(workspace)), "ms"),
    ]  # fmt: skip


def _processes(count: int) -> int:
    return 1 if count < FEW else PROCESSES


def _row(figure: str, value: float, unit: str, peer: str = "", ratio: float | None = None) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": unit, "peer": peer, "ratio": ratio}


def _write_slices(folder: Path, count: int) -> Path:
    """Write `count` different 512 x 512 phantoms as grey JPEG, as the mission's data is."""
    from pipeline.data.phantom import generate_patient  # here: the processes that prepare have no need of it

    folder.mkdir()
    drawn = [piece for seed in range(1000, 1004) for piece in generate_patient(seed)]
    for number in range(count):
        piece = drawn[number % len(drawn)]
        grey = display_grey(piece.slice_hu, intensity="hu")
        shifted = np.roll(grey, 2 * (number // len(drawn)), axis=1)  # no two files are the same
        path = folder / piece.label / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), shifted, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def _prepare_alone(paths: list[Path]) -> None:
    """Read and prepare slices as the cache does, in portions, and keep nothing."""
    if _processes(len(paths)) == 1:
        _prepare(paths)
        return
    portions = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_prepare, portions))


def _prepare(paths: list[Path]) -> None:
    cv2.setNumThreads(1)
    for path in paths:
        read = read_slice(path)
        preprocess_output(read.image, intensity=read.intensity, recipe=RECIPE)


def _batch(cache: SliceCache) -> float:
    rows = np.random.default_rng(0).permutation(len(cache.array))[:32]
    return min(_seconds(lambda: cache.array[np.sort(rows)].sum()) for _ in range(5))


def _times(work: Callable[[], object]) -> tuple[float, float]:
    """Return the elapsed seconds of `work` and the processor's, of this process and those it started."""
    start = _busy()
    elapsed = _seconds(work)
    return elapsed, _busy() - start


def _busy() -> float:
    spent = psutil.Process().cpu_times()
    return float(spent.user + spent.system + spent.children_user + spent.children_system)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
