"""Working through many files with two sandboxed workers, each fed ahead so that it never waits."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from pipeline.data.describe import failed_row
from pipeline.data.sandbox import TIMEOUT_SECONDS, WORKERS, Worker, WorkerDiedError, borrowed_worker
from pipeline.data.scan import FoundFile
from pipeline.data.slice_image import SliceError
from pipeline.data.statistics import FINGERPRINT_SIDE

Described = tuple[FoundFile, list[dict[str, Any]]]
Answered = tuple[FoundFile, dict[str, Any], bytes]
AHEAD = 32  # files a worker is given at once
SECONDS_PER_MIB = 0.25  # large files hold many frames
_CELL = FINGERPRINT_SIDE * FINGERPRINT_SIDE


def describe_files(
    source: Path, files: Sequence[FoundFile], *, key: bytes | None, workers: int = WORKERS
) -> Generator[Described]:
    """Yield each file with its rows, as they come (not in order).

    A file that hangs or crashes its worker is a row with the code `timeout` or `crashed`.
    """
    request = {"verb": "describe", "key": key.hex() if key else None}
    working = work_through(source, files, request=request, workers=workers)
    try:
        for file, answer, fingerprints in working:
            if "error" in answer:
                yield file, [failed_row(SliceError(*answer["error"]))]
            else:
                yield file, _with_bytes(answer["rows"], fingerprints)
    finally:
        working.close()


def work_through(
    source: Path, files: Sequence[FoundFile], *, request: dict[str, Any], workers: int = WORKERS
) -> Generator[Answered]:
    """Ask the sandbox about each file and yield its answers as they come (not in order).

    Where a worker hangs or crashes, the answer is `{"error": [code, reason]}` and the others go on in a new
    worker. Closing the iterator ends the work.
    """
    chunks = deque(files[start : start + AHEAD] for start in range(0, len(files), AHEAD))
    results: queue.Queue[Answered | Exception] = queue.Queue(maxsize=8 * AHEAD)
    feeders = [_Feeder(source, chunks, results, request) for _ in range(min(workers, len(chunks)))]
    for feeder in feeders:
        feeder.start()
    try:
        for _ in range(len(files)):
            result = results.get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        for feeder in feeders:
            feeder.stop()
        for feeder in feeders:
            feeder.join()


class _Feeder(threading.Thread):
    """One thread with one worker of this process, taking chunks until none is left."""

    def __init__(
        self,
        source: Path,
        chunks: deque[Sequence[FoundFile]],
        results: queue.Queue[Answered | Exception],
        request: dict[str, Any],
    ) -> None:
        super().__init__(daemon=True)
        self._source, self._chunks, self._results = source, chunks, results
        self._request = request
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            with borrowed_worker() as worker:
                while not self._stopping.is_set():
                    try:
                        chunk = self._chunks.popleft()
                    except IndexError:
                        return
                    self._ask(worker, deque(chunk))
                worker.close()  # it may still be busy with files that nobody waits for
        except Exception as error:
            self._put(error)

    def stop(self) -> None:
        """End after the file at hand."""
        self._stopping.set()

    def _ask(self, worker: Worker, waiting: deque[FoundFile]) -> None:
        while waiting and not self._stopping.is_set():
            for file in waiting:
                worker.send(self._request | {"path": str(self._source / file.path)})
            try:
                while waiting and not self._stopping.is_set():
                    patience = TIMEOUT_SECONDS + waiting[0].bytes / 2**20 * SECONDS_PER_MIB
                    answer, payload = worker.receive(timeout=patience)
                    self._put((waiting.popleft(), answer, payload))
            except WorkerDiedError as died:
                error = died.as_slice_error()
                self._put((waiting.popleft(), {"error": [error.code, error.reason]}, b""))

    def _put(self, result: Answered | Exception) -> None:
        while not self._stopping.is_set():
            try:
                self._results.put(result, timeout=0.2)
                return
            except queue.Full:
                continue


def _with_bytes(rows: list[dict[str, Any]], fingerprints: bytes) -> list[dict[str, Any]]:
    """Put each readable row's histogram and fingerprint into it as bytes."""
    return [
        row
        | {
            "histogram": bytes.fromhex(row["histogram"]),
            "fingerprint": fingerprints[at * _CELL : (at + 1) * _CELL],
        }
        if row["status"] == "ok"
        else row
        for at, row in enumerate(rows)
    ]
