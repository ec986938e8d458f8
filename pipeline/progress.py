"""How long work tells how far it is, and hears that it should stop."""

from __future__ import annotations

import sys
from typing import Protocol

from pipeline.errors import HilumError


class JobStopped(Exception):
    """The user asked this job to stop; raised inside the job, at its next report of progress."""


class JobPaused(HilumError):
    """A job cannot go on for now (no room, no data); what it has is kept, and `resume` goes on from there."""


class Progress(Protocol):
    """How long work tells how far it is."""

    def __call__(self, done: int, total: int, message: str = "") -> None:
        """Report `done` of `total` steps. Raises JobStopped when the user asked to stop."""


def no_progress(done: int, total: int, message: str = "") -> None:
    """Report to nobody."""


def section(progress: Progress, start: float, stop: float) -> Progress:
    """Return a progress whose whole is the stretch from `start` to `stop` (shares of 1) of a longer one.

    >>> section(lambda done, total, message: print(done, total, message), 0.5, 1.0)(1, 4, "a quarter")
    625 1000 a quarter
    """

    def report(done: int, total: int, message: str = "") -> None:
        share = done / total if total else 0.0
        progress(round(1000 * (start + (stop - start) * share)), 1000, message)

    return report


def show_progress(done: int, total: int, message: str) -> None:
    """Draw the progress on stderr: one line that stays in place on a terminal, a line a report in a log."""
    share = f"{100 * done / total:3.0f} %" if total else f"{done}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{share}  {message[:100]}" + ("\n" if total and done >= total else ""))
    else:
        sys.stderr.write(f"{share}  {message}\n")
    sys.stderr.flush()
