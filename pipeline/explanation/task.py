"""Work in a thread of its own that a page starts, looks after and gives up."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from pipeline.errors import HilumError
from pipeline.progress import Progress

T = TypeVar("T")
END_SECONDS = 10.0  # between two reports of progress lies a run of the network, or reading a file


class TaskCancelledError(HilumError):
    """Nobody wants the result any more."""


class BackgroundTask(Generic[T]):
    """Work on its way; it stops at its next report of progress after `cancel`.

    Attributes:
        share: how much is done, [0, 1].
        message: what is being done.
    """

    def __init__(self, work: Callable[[Progress], T]) -> None:
        self.share, self.message = 0.0, ""
        self._stop = threading.Event()
        self._future: Future[T] = Future()
        # A daemon: what is on its way must not keep the dashboard from ending.
        self._thread = threading.Thread(target=self._settle, args=(work,), name="hilum-task", daemon=True)
        self._thread.start()
        _ALL.add(self)

    @property
    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._stop.is_set()

    @property
    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return self._stop.is_set() or self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Return what the work returned, or raise what it raised.

        Raises:
            TaskCancelledError: it was given up.
        """
        if self._stop.is_set():
            raise TaskCancelledError("It was given up.")
        return self._future.result(timeout)

    def cancel(self) -> None:
        """Give it up."""
        self._stop.set()

    def end(self) -> None:
        """Give it up and wait until it heard of it."""
        self.cancel()
        self._thread.join(END_SECONDS)

    def _settle(self, work: Callable[[Progress], T]) -> None:
        try:
            self._future.set_result(work(self._report))
        except BaseException as error:  # it is raised again where the result is asked for
            self._future.set_exception(error)

    def _report(self, done: int, total: int, message: str = "") -> None:
        self.share, self.message = done / total if total else 1.0, message
        if self._stop.is_set():
            raise TaskCancelledError("It was given up.")


_ALL: weakref.WeakSet[BackgroundTask[Any]] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Let no thread be inside a library when Python takes it down: that would abort the process."""
    for task in list(_ALL):
        task.end()
