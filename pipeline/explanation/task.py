"""Work in a thread of its own that a page starts, looks after and gives up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from pipeline.errors import HilumError
from pipeline.progress import Progress

T = TypeVar("T")


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
        threading.Thread(target=self._settle, args=(work,), name="hilum-map", daemon=True).start()

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

    def _settle(self, work: Callable[[Progress], T]) -> None:
        try:
            self._future.set_result(work(self._report))
        except BaseException as error:  # it is raised again where the result is asked for
            self._future.set_exception(error)

    def _report(self, done: int, total: int, message: str = "") -> None:
        self.share, self.message = done / total if total else 1.0, message
        if self._stop.is_set():
            raise TaskCancelledError("It was given up.")
