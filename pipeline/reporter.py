"""How a running job tells how far it is, shows that it lives, and hears that it should stop."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.job_table import STOP_AFTER_EPOCH, STOP_NOW, JobTable
from pipeline.progress import JobStopped, show_progress

HEARTBEAT_SECONDS = 2.0
LOG_SECONDS = 5.0  # between two lines of progress where stderr is a file


class Reporter:
    """The `Progress` of a job: writes four times a second and at turns, raises JobStopped when asked to.

    Attributes:
        stop_asked: to stop at the next step.
        stop_after_epoch: to stop when the epoch is whole; only trainings have epochs and look at it.
    """

    def __init__(self, table: JobTable, job_id: str) -> None:
        self.job_id = job_id
        self.message = ""
        self.stop_asked = threading.Event()
        self.stop_after_epoch = threading.Event()
        self._table = table
        self._written = self._shown = 0.0

    def __call__(self, done: int, total: int, message: str = "") -> None:
        begins = done == 0 and message not in ("", self.message)  # a stretch that may be silent for long
        self.message = message or self.message
        now = time.monotonic()
        turning = done >= total or begins
        if now - self._written >= 0.25 or turning:
            self._written = now
            self._table._report(self.job_id, int(done), int(total), self.message)
        if now - self._shown >= (0.25 if sys.stderr.isatty() else LOG_SECONDS) or turning:
            self._shown = now
            show_progress(done, total, self.message)
        if self.stop_asked.is_set():
            raise JobStopped(f"Stopped on request after {done} of {total}.")

    def set_run(self, run_id: str) -> None:
        """Say which run this job trains."""
        self._table.set_run(self.job_id, run_id)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the heartbeat going, and look for the request to stop, while the block runs."""
        done = threading.Event()
        wishes = {STOP_NOW: self.stop_asked, STOP_AFTER_EPOCH: self.stop_after_epoch}

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS / 2):
                try:
                    wish = wishes.get(self._table._beat(self.job_id))
                except sqlite3.OperationalError:
                    continue  # a full disk or a long lock: the next beat tries again
                if wish is not None:
                    wish.set()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(timeout=2 * HEARTBEAT_SECONDS)
