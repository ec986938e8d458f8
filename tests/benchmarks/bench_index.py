"""Indexing against nothing but decoding: the same files, the same cores, the same run."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.data.clusters import load_clusters
from pipeline.data.index import build_index
from pipeline.data.sandbox import WORKERS
from pipeline.data.splits import make_split
from pipeline.workspace import Workspace

FILES = 2000
SIDE = 512


def run() -> list[dict[str, Any]]:
    """Return the rate of the first pass, and the seconds of the second, of clusters and of a split."""
    with tempfile.TemporaryDirectory() as folder:
        source, workspace = Path(folder) / "slices", Workspace.open(Path(folder) / "workspace")
        files = _write_slices(source)
        decoded = _decode_rate(files)
        first = build_index(workspace, source, name="bench")
        second = build_index(workspace, source, name="bench")
        clustered = _seconds(lambda: load_clusters(workspace, "bench"))
        split = _seconds(lambda: make_split(workspace, "bench", group_by="cluster"))
    rate = first.slices / first.seconds
    peer = f"cv2.imdecode alone, {WORKERS} processes: {decoded:.0f}/s"
    return [
        {
            "figure": f"index, {FILES:,} JPEG of {SIDE} x {SIDE}",
            "value": rate,
            "unit": "slices/s",
            "peer": peer,
        }
        | {"ratio": rate / decoded},
        {"figure": "index again, nothing changed", "value": second.seconds, "unit": "s"}
        | {"peer": f"first pass: {first.seconds:.2f} s", "ratio": second.seconds / first.seconds},
        {"figure": f"near-duplicate clusters of {FILES:,}", "value": clustered, "unit": "s"},
        {"figure": f"split by cluster of {FILES:,}", "value": split, "unit": "s"},
    ]


def _write_slices(source: Path) -> list[Path]:
    """Write noisy bodies with two dark lungs: as hard to decode as CT is, and no two alike."""
    generator = np.random.default_rng(0)
    row, column = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    paths = []
    for number in range(FILES):
        shift = generator.uniform(-0.1, 0.1, 4)
        body = (column / (0.85 + shift[0])) ** 2 + (row / (0.65 + shift[1])) ** 2 < 1
        lungs = ((np.abs(column) - 0.4 - shift[2]) / 0.28) ** 2 + (row / (0.45 + shift[3])) ** 2 < 1
        image = (
            130.0 * body - 90.0 * lungs + cv2.GaussianBlur(generator.normal(0, 40, (SIDE, SIDE)), (0, 0), 1.2)
        )
        path = source / ("pCT" if number % 2 else "nCT") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
        paths.append(path)
    return paths


def _decode_rate(files: list[Path]) -> float:
    """Return files read and decoded a second by as many processes as the index uses, once they are warm."""
    shares = [files[start::WORKERS] for start in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(_decode, [share[:50] for share in shares]))
        seconds = _seconds(lambda: list(pool.map(_decode, shares)))
    return len(files) / seconds


def _decode(files: list[Path]) -> int:
    cv2.setNumThreads(1)
    return sum(
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE).shape[0]
        for path in files
    )


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
