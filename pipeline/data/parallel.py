"""Working through many files with two sandboxed workers, each fed ahead so that it never waits."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.data.sandbox import TIMEOUT_SECONDS, WORKERS, Worker, WorkerDiedError, borrowed_worker
from pipeline.data.scan import FoundFile
from pipeline.data.slice_image import SliceError
from pipeline.data.statistics import FINGERPRINT_SIDE
from pipeline.data.table import failed_row

Described = tuple[FoundFile, list[dict[str, Any]], list[FoundFile]]
Answered = tuple[FoundFile, dict[str, Any], bytes]
AHEAD = 32  # files a worker is given at once
AHEAD_CHARACTERS = 4000  # of their paths: with more, pipes fill up while each waits for the other
SECONDS_PER_MIB = 0.25  # large files hold many frames
_CELL = FINGERPRINT_SIDE * FINGERPRINT_SIDE


class Through(Protocol):
    """What asks the sandbox about files, as `work_through` does, here or elsewhere."""

    def __call__(
        self, source: Path, files: Sequence[FoundFile], *, request: dict[str, Any]
    ) -> Generator[Answered]:
        """Yield each file's answer as they come."""


def describe_files(
    source: Path, files: Sequence[FoundFile], *, key: bytes | None, through: Through | None = None
) -> Generator[Described]:
    """Yield each file with its rows, as they come (not in order), and an archive with its members instead.

    A file that hangs or crashes its worker is a row with the code `timeout` or `crashed`.
    """
    request = {"verb": "describe", "key": key.hex() if key else None}
    working = (through or work_through)(source, files, request=request)
    try:
        for file, answer, fingerprints in working:
            if "error" in answer:
                yield file, [failed_row(SliceError(*answer["error"]))], []
            elif "members" in answer:
                yield file, [], members_of(file, answer["members"])
            else:
                yield file, _with_bytes(answer["rows"], fingerprints), []
    finally:
        working.close()


def work_through(
    source: Path, files: Sequence[FoundFile], *, request: dict[str, Any], workers: int = WORKERS
) -> Generator[Answered]:
    """Ask the sandbox about each file and yield its answers as they come (in order only of one worker).

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
                        waiting = deque(self._chunks.popleft())
                    except IndexError:
                        return
                    self._ask(worker, waiting)
                    if waiting:
                        worker.close()  # it may still be busy with files that nobody waits for
        except Exception as error:
            self._put(error)

    def stop(self) -> None:
        """End after the file at hand."""
        self._stopping.set()

    def _ask(self, worker: Worker, waiting: deque[FoundFile]) -> None:
        while waiting and not self._stopping.is_set():
            sent = 0
            try:
                while waiting and not self._stopping.is_set():
                    sent = self._send_ahead(worker, waiting, sent)
                    patience = TIMEOUT_SECONDS + waiting[0].bytes / 2**20 * SECONDS_PER_MIB
                    answer, payload = worker.receive(timeout=patience)
                    self._put((waiting.popleft(), answer, payload))
                    sent -= 1
            except WorkerDiedError as died:
                error = died.as_slice_error()
                self._put((waiting.popleft(), {"error": [error.code, error.reason]}, b""))

    def _send_ahead(self, worker: Worker, waiting: deque[FoundFile], sent: int) -> int:
        """Ask about files that were not asked about yet, at least one; return how many are waited for."""
        outstanding = sum(len(waiting[at].path) for at in range(sent))
        while sent < len(waiting) and (sent == 0 or outstanding + len(waiting[sent].path) < AHEAD_CHARACTERS):
            worker.send(self._request | {"path": str(self._source / waiting[sent].path)})
            outstanding += len(waiting[sent].path)
            sent += 1
        return sent

    def _put(self, result: Answered | Exception) -> None:
        while not self._stopping.is_set():
            try:
                self._results.put(result, timeout=0.2)
                return
            except queue.Full:
                continue


def members_of(file: FoundFile, members: Sequence[tuple[str, int, list[str] | None]]) -> list[FoundFile]:
    """Return the members of an archive as files below it, with its time."""
    return [
        FoundFile(
            f"{file.path}/{name}",
            size,
            file.mtime_ns,
            SliceError(*problem) if problem is not None else None,
            archive=file.path,
        )
        for name, size, problem in members
    ]


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
