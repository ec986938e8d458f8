"""Decoding in a worker process that can be killed: files from outside may hang or bloat whoever reads them.

The worker is `python -m pipeline.data.sandbox`, spoken to over its pipes. Not a multiprocessing pool: those
import the caller's main module again, which under Streamlit is the page itself. A message is a JSON document
and an array's bytes; nothing is ever unpickled. Requests may be sent ahead; answers come in their order.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.data.slice_image import SliceError
from pipeline.errors import HilumError
from pipeline.messages import read_message, write_message

TIMEOUT_SECONDS = 8.0  # without an answer, or a sign that the next frame is at hand
MOST_SECONDS = 600.0  # for a whole file of many frames
SIGN_SECONDS = 1.0
START_SECONDS = 60.0
DEATH_SECONDS = 2.0  # a process that hangs in the kernel (a dead network share) outlives its being killed
WORKERS = 2
_HOME = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "pipeline.data.sandbox")


class SandboxError(HilumError):
    """The worker could not be started at all."""


class WorkerDiedError(Exception):
    """The worker ended without an answer. `timed_out` says whether it was killed for taking too long."""

    def __init__(self, *, timed_out: bool, status: int | None = None) -> None:
        super().__init__("timed out" if timed_out else f"ended with status {status}")
        self.timed_out = timed_out
        self.status = status

    def as_slice_error(self) -> SliceError:
        """Return what the death means for the file that was being read."""
        if self.timed_out:
            return SliceError(
                "timeout", f"Reading it took more than {TIMEOUT_SECONDS:.0f} s and was given up."
            )
        return SliceError("crashed", f"Its decoder broke down (status {self.status}).")


class Worker:
    """One worker process. Not for several threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._timed_out = False
        self._closing = threading.Event()

    def send(self, request: dict[str, Any], payload: bytes = b"") -> None:
        """Send a request; `receive` fetches its answer, and tells if the worker is gone by now."""
        process = self._start()
        with contextlib.suppress(OSError):
            write_message(_pipe(process.stdin), request, payload)

    def receive(self, *, timeout: float = TIMEOUT_SECONDS) -> tuple[dict[str, Any], bytes]:
        """Return the next answer.

        Raises:
            WorkerDiedError: it crashed, or gave no sign for longer than `timeout` seconds and was killed.
                Requests without an answer are lost; the next `send` starts a new process.
        """
        process = self._start()
        last = time.monotonic() + max(timeout, MOST_SECONDS)
        try:
            while True:
                self._deadline = min(time.monotonic() + timeout, last)
                answer, payload = read_message(_pipe(process.stdout))
                if "working" not in answer:
                    return answer, payload
        except (OSError, EOFError) as error:
            raise self._died() from error
        finally:
            self._deadline = None

    def close(self) -> None:
        """End the process."""
        self._closing.set()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    _pipe(pipe).close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=DEATH_SECONDS)

    def _died(self) -> WorkerDiedError:
        timed_out, status = self._timed_out, None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it closed its pipe: it is about to end
                status = self._process.wait(timeout=DEATH_SECONDS)
        self.close()
        return WorkerDiedError(timed_out=timed_out, status=status)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            limits = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
            # Pictures' memory is used again rather than given back and asked for anew, page by page.
            limits |= {"MALLOC_MMAP_THRESHOLD_": str(2**26), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
            self._closing, self._timed_out = threading.Event(), False
            self._process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_HOME,
                env=os.environ | limits,
            )
            # Importing the decoders takes a while on a busy machine: that is not the first file's fault.
            self._deadline = time.monotonic() + START_SECONDS
            threading.Thread(target=self._watch, args=(self._process, self._closing), daemon=True).start()
            try:
                read_message(_pipe(self._process.stdout))
            except (OSError, EOFError) as error:
                self.close()
                raise SandboxError(
                    "The process that reads slices could not be started. Is the disk or the memory full, "
                    "or Hilum's installation incomplete? `make run` repairs it."
                ) from error
            finally:
                self._deadline = None
        return self._process

    def _watch(self, process: subprocess.Popen[bytes], closing: threading.Event) -> None:
        """Kill the process when the answer that is waited for is overdue."""
        while not closing.wait(0.2):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._timed_out = True
                process.kill()
                return


class _Idle:
    """The workers of this process that wait for work."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.workers: list[Worker] = []
        self.permits = threading.BoundedSemaphore(WORKERS)
        self.lock = threading.Lock()


_idle = _Idle()


@contextlib.contextmanager
def borrowed_worker() -> Iterator[Worker]:
    """Lend one of at most two workers of this process; waits while both are lent."""
    global _idle
    if _idle.owner != os.getpid():  # after a fork the pipes are the parent's
        _idle = _Idle()
    idle = _idle
    with idle.permits:
        with idle.lock:
            worker = idle.workers.pop() if idle.workers else Worker()
        try:
            yield worker
        except BaseException:
            worker.close()
            raise
        with idle.lock:
            idle.workers.append(worker)


@atexit.register
def _close_idle() -> None:
    if _idle.owner == os.getpid():
        for worker in _idle.workers:
            worker.close()


def _pipe(pipe: Any) -> BinaryIO:
    found: BinaryIO = pipe
    return found


def _signing(answers: BinaryIO) -> Callable[[], None]:
    """Return what says now and then that work goes on."""
    said = time.monotonic()

    def sign() -> None:
        nonlocal said
        if time.monotonic() - said > SIGN_SECONDS:
            said = time.monotonic()
            write_message(answers, {"working": True})

    return sign


def main() -> None:
    """Answer requests from stdin until it closes."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # decoders print; the pipe is for answers
    from pipeline.data.limits import limit_memory
    from pipeline.data.sandbox_work import answer

    limit_memory()  # now that the libraries are there
    write_message(answers, {"ready": True})
    while True:
        try:
            request, payload = read_message(requests)
        except EOFError:
            return
        document, result = answer(request, payload, _signing(answers))
        write_message(answers, document, result)


if __name__ == "__main__":
    main()
