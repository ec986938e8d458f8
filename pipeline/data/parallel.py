"""Describing many files over two sandboxed workers, each fed ahead so that it never waits."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.data.describe import failed_row
from pipeline.data.sandbox import TIMEOUT_SECONDS, WORKERS, Worker, WorkerDiedError, borrowed_worker
from pipeline.data.scan import FoundFile
from pipeline.data.statistics import FINGERPRINT_SIDE

Described = tuple[FoundFile, list[dict[str, Any]]]
AHEAD = 32  # files a worker is given at once
SECONDS_PER_MIB = 0.25  # large files hold many frames
_CELL = FINGERPRINT_SIDE * FINGERPRINT_SIDE


def describe_files(
    source: Path, files: Sequence[FoundFile], *, key: bytes | None, workers: int = WORKERS
) -> Iterator[Described]:
    """Yield each file with its rows, as they come (not in order).

    A file that hangs or crashes its worker is a row with the code `timeout` or `crashed`; the others go on in
    a new worker. Closing the iterator ends the workers.
    """
    chunks = deque(files[start : start + AHEAD] for start in range(0, len(files), AHEAD))
    results: queue.Queue[Described | Exception] = queue.Queue(maxsize=8 * AHEAD)
    feeders = [_Feeder(source, chunks, results, key) for _ in range(min(workers, len(chunks)))]
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
        results: queue.Queue[Described | Exception],
        key: bytes | None,
    ) -> None:
        super().__init__(daemon=True)
        self._source, self._chunks, self._results = source, chunks, results
        self._key = key.hex() if key else None
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            with borrowed_worker() as worker:
                while not self._stopping.is_set():
                    try:
                        chunk = self._chunks.popleft()
                    except IndexError:
                        return
                    self._describe_chunk(worker, deque(chunk))
                worker.close()  # it may still be busy with files that nobody waits for
        except Exception as error:
            self._put(error)

    def stop(self) -> None:
        """End after the file at hand."""
        self._stopping.set()

    def _describe_chunk(self, worker: Worker, waiting: deque[FoundFile]) -> None:
        while waiting and not self._stopping.is_set():
            for file in waiting:
                path = str(self._source / file.path)
                worker.send({"verb": "describe", "path": path, "key": self._key})
            try:
                while waiting and not self._stopping.is_set():
                    patience = TIMEOUT_SECONDS + waiting[0].bytes / 2**20 * SECONDS_PER_MIB
                    answer, fingerprints = worker.receive(timeout=patience)
                    rows = _with_bytes(answer["rows"], fingerprints)
                    self._put((waiting.popleft(), rows))
            except WorkerDiedError as died:
                self._put((waiting.popleft(), [failed_row(died.as_slice_error())]))

    def _put(self, result: Described | Exception) -> None:
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
