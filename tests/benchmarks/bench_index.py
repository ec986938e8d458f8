"""Indexing against nothing but decoding, of the same files in the same run; and a set as large as HUST-19."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom

from pipeline.data.datasets import load_fingerprints, load_index
from pipeline.data.duplicates import near_duplicate_clusters
from pipeline.data.index import build_index
from pipeline.data.sandbox import WORKERS
from pipeline.data.splits import make_split
from pipeline.workspace import Workspace
from tests.benchmarks.hust19 import SLICES, write_hust19

FILES = 1000
_FORMATS = {"jpg": "JPEG", "png": "PNG", "dcm": "DICOM, uncompressed"}


def run() -> list[dict[str, Any]]:
    """Return the rate of a first pass for three formats, and what a set of HUST-19's size costs."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        for format, name in _FORMATS.items():
            files = write_hust19(Path(folder) / format, slices=FILES, format=format)
            rows.append(_rate(workspace, files, f"index, {FILES:,} {name}, 512 x 512"))
        whole = Path(folder) / "hust19"
        files = write_hust19(whole)
        rows.append(_rate(workspace, files, f"index, {SLICES:,} JPEG, 512 x 512"))
        rows.append(
            {
                "figure": f"cost of a slice, {SLICES:,} files to {FILES:,}",
                "value": rows[0]["value"] / rows[-1]["value"],
            }
            | {"unit": "times"}
        )
        rows += _again(workspace, whole)
        rows += _afterwards(workspace)
    return rows


def _rate(workspace: Workspace, files: list[Path], figure: str) -> dict[str, Any]:
    """Return slices a second from the first answer of the workers on, beside decoding the same files."""
    ticks: list[tuple[float, int]] = []

    def listen(done: int, total: int, message: str = "") -> None:
        if total == len(files) and done:
            ticks.append((time.perf_counter(), done))

    before = _decode_rate(files)
    build_index(workspace, files[0].parents[1], name=files[0].parents[1].name, progress=listen)
    decoded = (before + _decode_rate(files)) / 2  # of both sides: other work on the machine comes and goes
    (first, some), (last, all_) = ticks[0], ticks[-1]
    rate = (all_ - some) / (last - first)
    peer = f"decoding alone, {WORKERS} processes: {decoded:.0f}/s"
    return {"figure": figure, "value": rate, "unit": "slices/s", "peer": peer, "ratio": rate / decoded}


def _again(workspace: Workspace, source: Path) -> list[dict[str, Any]]:
    """Return the seconds of passes over a folder that is as it was, and where one file is not."""
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace.root)]
    command += ["index", str(source), "--name", source.name]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    unchanged = _seconds(lambda: build_index(workspace, source, name=source.name))
    process = _seconds(lambda: subprocess.run(command, check=True, **quiet))  # type: ignore[call-overload]
    os.utime(next(source.glob("*/*.jpg")))
    one = _seconds(lambda: build_index(workspace, source, name=source.name))
    return [
        {"figure": f"{SLICES:,} again, nothing changed", "value": unchanged, "unit": "s"},
        {"figure": "the same as a command, Python's start included", "value": process, "unit": "s"},
        {"figure": f"{SLICES:,} again, one file changed, copies included", "value": one, "unit": "s"},
    ]


def _afterwards(workspace: Workspace) -> list[dict[str, Any]]:
    index, fingerprints = load_index(workspace, "hust19"), load_fingerprints(workspace, "hust19")
    clustered = _seconds(lambda: near_duplicate_clusters(index, fingerprints))
    split = _seconds(lambda: make_split(workspace, "hust19", group_by="cluster"))
    return [
        {"figure": f"near-duplicate clusters of {SLICES:,}", "value": clustered, "unit": "s"},
        {"figure": f"split by cluster of {SLICES:,}", "value": split, "unit": "s"},
    ]


def _decode_rate(files: list[Path]) -> float:
    """Return files read and decoded a second by as many processes as the index uses, once they are warm."""
    shares = [files[start::WORKERS] for start in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(_decode, [share[:50] for share in shares]))
        seconds = _seconds(lambda: list(pool.map(_decode, shares)))
    return len(files) / seconds


def _decode(files: list[Path]) -> int:
    cv2.setNumThreads(1)
    return sum(_pixels(path).shape[0] for path in files)


def _pixels(path: Path) -> np.ndarray:
    if path.suffix == ".dcm":
        return pydicom.dcmread(path).pixel_array
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
