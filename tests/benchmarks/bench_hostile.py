"""5,000 damaged files of every format in one worker: what comes of them, and what they cost."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.data.sandbox import Worker, WorkerDiedError
from tests.mutants import make_mutants

MUTANTS = 5000


def run() -> list[dict[str, Any]]:
    """Return counts by status, the slowest file and the worker's peak memory."""
    counts: Counter[str] = Counter()
    slowest, peak, worker = 0.0, 0, Worker()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant"
        for data in make_mutants(MUTANTS):
            path.write_bytes(data)
            began = time.monotonic()
            counts.update(_statuses(worker, path))
            slowest = max(slowest, time.monotonic() - began)
            peak = max(peak, _peak_memory(worker))
            os.unlink(path)
    worker.close()
    rows = [
        {"figure": f"{MUTANTS:,} damaged files, rows with status {status}", "value": count, "unit": "rows"}
        for status, count in counts.most_common()
    ]
    return [
        *rows,
        {"figure": "the slowest of them", "value": slowest, "unit": "s", "peer": "given up after: 8 s"}
        | {"ratio": slowest / 8},
        {
            "figure": "peak memory of the worker",
            "value": peak / 2**20,
            "unit": "MiB",
            "peer": "limit: 1,024 MiB",
        }
        | {"ratio": peak / 2**30},
    ]


def _statuses(worker: Worker, path: Path) -> list[str]:
    """Return the status of each row that a file becomes; of an archive, of each member."""
    answer = _ask(worker, path)
    if "members" not in answer:
        return _of_rows(answer)
    statuses = []
    for name, _, problem in answer["members"]:
        statuses += [problem[0]] if problem is not None else _of_rows(_ask(worker, path / name))
    return statuses


def _ask(worker: Worker, path: Path) -> dict[str, Any]:
    try:
        worker.send({"verb": "describe", "path": str(path)})
        return worker.receive()[0]
    except WorkerDiedError as died:
        error = died.as_slice_error()
        return {"error": [error.code, error.reason]}


def _of_rows(answer: dict[str, Any]) -> list[str]:
    if "error" in answer:
        return [answer["error"][0]]
    return [row["status"] for row in answer["rows"]]


def _peak_memory(worker: Worker) -> int:
    """Return the most memory that the worker has held so far, in bytes; 0 where the system does not tell."""
    process = worker._process
    status = Path(f"/proc/{process.pid}/status") if process is not None else None
    if status is None or not status.exists():
        return 0
    lines = status.read_text().splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
