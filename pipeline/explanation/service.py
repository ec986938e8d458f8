"""Gradient maps in the background: asked for by a page, computed in a worker, given up when no longer wanted.

    pending = service().start(request)
    pending.done      # poll
    pending.result()  # float32 (size, size), or the error
    pending.cancel()

TensorFlow takes seconds and half a gigabyte to load, so it lives in a process of its own that is started by
the first request, kept for the next ones, and ended when nothing was asked for five minutes.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import HilumError
from pipeline.explanation.methods import METHODS
from pipeline.messages import read_message, write_message

START_SECONDS = 120.0  # importing TensorFlow and building the model, on a busy machine
IDLE_SECONDS = 300.0
AGREEMENT = 0.02  # largest difference of a probability between the Keras model and the engine
_HOME = Path(__file__).resolve().parents[2]


class MapError(HilumError):
    """A gradient map could not be computed."""


class MapCancelledError(MapError):
    """Nobody wants the map any more."""


@dataclass(frozen=True, eq=False)
class MapRequest:
    """What a worker needs for one map.

    Attributes:
        method: a name of `pipeline.explanation.methods` with `in_worker`.
        class_index: the class that is explained.
        image: float32 (size, size, channels) in [0, 255], the network's input.
        probabilities: float (classes,), what the engine says of it: the worker's model must agree.
        architecture, weights: which model.
    """

    method: str
    class_index: int
    image: np.ndarray
    probabilities: np.ndarray
    architecture: str
    weights: Path

    def document(self) -> dict[str, Any]:
        """Return the request without its image, as JSON goes to the worker."""
        stat = self.weights.stat() if self.weights.is_file() else None
        return {
            "method": self.method,
            "class_index": self.class_index,
            "model": {
                "architecture": self.architecture,
                "weights": str(self.weights),
                "written": stat.st_mtime_ns if stat else 0,
                "num_classes": len(self.probabilities),
                "image_size": self.image.shape[0],
                "channels": self.image.shape[2],
            },
        }


class PendingMap:
    """A map on its way."""

    def __init__(self, service: MapService, request: MapRequest) -> None:
        self.request = request
        self._service = service
        self._future: Future[np.ndarray] = Future()
        self.cancelled = False

    @property
    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return self.cancelled or self._future.done()

    def result(self, timeout: float | None = None) -> np.ndarray:
        """Return the map, float32 (size, size) in [0, 1].

        Raises:
            MapCancelledError, MapError: it was given up; it failed, and why.
        """
        if self.cancelled:
            raise MapCancelledError("The map was given up.")
        return self._future.result(timeout)

    def cancel(self) -> None:
        """Give the map up; a worker that is at it is ended."""
        self.cancelled = True
        if not self._future.done():
            self._service.kill(self)

    def settle(self, compute: Callable[[PendingMap], np.ndarray]) -> None:
        """Compute the map and keep it, or the error."""
        try:
            self._future.set_result(compute(self))
        except BaseException as error:  # it is raised again where the result is asked for
            self._future.set_exception(error)


class MapService:
    """One worker, started when needed. Any number of threads may ask; maps are computed one after another."""

    def __init__(self) -> None:
        self._turn = threading.Lock()  # held while a map is computed
        self._lock = threading.Lock()  # of the fields below
        self._process: subprocess.Popen[bytes] | None = None
        self._current: PendingMap | None = None
        self._idle: threading.Timer | None = None

    def start(self, request: MapRequest) -> PendingMap:
        """Queue a map and return at once."""
        pending = PendingMap(self, request)
        # A daemon: a map on its way must not keep the dashboard from ending.
        threading.Thread(target=pending.settle, args=(self._compute,), daemon=True).start()
        return pending

    def kill(self, pending: PendingMap) -> None:
        """End the worker if it is computing this map."""
        with self._lock:
            if self._current is pending and self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the worker; the next request starts another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()

    def _compute(self, pending: PendingMap) -> np.ndarray:
        request = pending.request
        with self._turn:
            process, fresh = self._begin(pending)
            limit = METHODS[request.method].timeout_seconds + (START_SECONDS if fresh else 0)
            expired = threading.Event()

            def give_up() -> None:
                expired.set()
                process.kill()

            overdue = threading.Timer(limit, give_up)
            overdue.start()
            try:
                write_message(_pipe(process.stdin), request.document(), request.image.tobytes())
                answer, payload = read_message(_pipe(process.stdout))
            except (OSError, EOFError) as error:
                self.close()
                raise _lost(pending, timed_out=expired.is_set(), limit=limit) from error
            finally:
                overdue.cancel()
                self._end()
        if "error" in answer:
            raise MapError(answer["error"])
        _check_same_model(np.array(answer["probabilities"]), request)
        return np.frombuffer(payload, np.float32).reshape(answer["shape"])

    def _begin(self, pending: PendingMap) -> tuple[subprocess.Popen[bytes], bool]:
        """Return the worker, and whether it was started just now."""
        with self._lock:
            if pending.cancelled:
                raise MapCancelledError("The map was given up.")
            if self._idle is not None:
                self._idle.cancel()
            if self._process is not None and self._process.poll() is not None:
                self._close()
            fresh = self._process is None
            process = self._process or _spawn()
            self._process, self._current = process, pending
            return process, fresh

    def _end(self) -> None:
        with self._lock:
            self._current = None
            self._idle = threading.Timer(IDLE_SECONDS, self.close)
            self._idle.daemon = True
            self._idle.start()


@cache
def service() -> MapService:
    """Return this process's service; its worker ends with the process."""
    made = MapService()
    atexit.register(made.close)
    return made


def _spawn() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.explanation.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_HOME,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    )


def _lost(pending: PendingMap, *, timed_out: bool, limit: float) -> MapError:
    if pending.cancelled:
        return MapCancelledError("The map was given up.")
    title = METHODS[pending.request.method].title
    if timed_out:
        return MapError(f"{title} took more than {limit:.0f} s and was given up; take another method.")
    return MapError(
        f"{title} could not be computed: its worker ended, most likely for want of memory. Close other "
        "programs, or take the exact Grad-CAM, which needs none."
    )


def _check_same_model(probabilities: np.ndarray, request: MapRequest) -> None:
    difference = float(np.abs(probabilities - request.probabilities).max())
    if not difference <= AGREEMENT:
        raise MapError(
            "The run's weights and its exported engine give different answers for this slice (a probability "
            f"differs by {difference:.2f}): one of them was replaced. Export the run again."
        )


def _pipe(pipe: Any) -> Any:
    return pipe
