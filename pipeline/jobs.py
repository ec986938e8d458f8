"""Long work: queued, started in a process of its own, watched, stopped, resumed.

A job runs as `python -m pipeline ...` in a session of its own, so closing the browser or the dashboard does
not end it. Its row (`job_table`) holds which process it is: a number that the system has given to another
process since is not mistaken for the job, nor does a clock that is set make it one. A job whose process is
gone without a last word is `lost`, never `running`; one that a restart of the machine ended goes on when any
Hilum process next starts, as does what was waiting.

    queued -> running -> finished | stopped | paused | failed | lost
    stopped, paused, failed, lost -> queued (resume)

The same verb typed in a shell registers itself, so page and shell show one list.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import psutil

from pipeline.errors import HilumError, user_errors
from pipeline.job_table import STOP_AFTER_EPOCH, STOP_NOW, Job, JobNotFoundError, JobTable, resuming
from pipeline.processes import own_key, process_key, process_lives
from pipeline.progress import JobPaused, JobStopped, Progress, no_progress
from pipeline.reporter import Reporter
from pipeline.storage import explained

__all__ = [
    "Job",
    "JobNotFoundError",
    "JobPaused",
    "JobStopped",
    "JobStore",
    "Progress",
    "Reporter",
    "no_progress",
]

AT_ONCE = 1  # queued jobs of a heavy kind that run side by side: memory is what small machines lack
HEAVY = frozenset({"train"})
_HEAVY_SQL = ", ".join(f"'{kind}'" for kind in sorted(HEAVY))
Direction = Literal["up", "down", "first", "last"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


class QueueError(HilumError):
    """The queue cannot be changed like this."""


class JobStore(JobTable):
    """The jobs of one workspace, and their queue. Any number of processes may hold one."""

    def submit(self, kind: str, argv: Sequence[str], title: str = "", run_id: str | None = None) -> Job:
        """Queue `python -m pipeline --workspace ... *argv` and start it if its turn has come."""
        job_id = self._insert(kind, argv, title, status="queued", run_id=run_id)
        self.pump()
        return self.get(job_id)

    def stop(self, job_id: str, *, after_epoch: bool = False) -> None:
        """Ask a job to stop at its next step, or after its epoch; a queued one stops at once.

        Asking twice does no harm, and who asks for `after_epoch` takes nobody's wish to stop now back.
        """
        job = self.get(job_id)
        later = after_epoch and job.kind == "train"
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = 'stopped', ended = ?, message = 'Taken out of the queue.' "
                "WHERE id = ? AND status = 'queued'",
                (time.time(), job.id),
            )
            connection.execute(
                "UPDATE jobs SET stop_asked = ? WHERE id = ? AND status = 'running' AND stop_asked <> ?",
                (STOP_AFTER_EPOCH if later else STOP_NOW, job.id, STOP_NOW),
            )

    def kill(self, job_id: str) -> None:
        """End a running job's processes at once. What it had written stays; it shows as stopped."""
        job = self.get(job_id)
        if job.status == "running" and process_lives(job.pid, job.process_key) and job.pid is not None:
            self._end(job.id, "stopped", "Ended at once on request.")
            if os.name == "posix" and os.getpgid(job.pid) == job.pid:
                os.killpg(job.pid, signal.SIGKILL)
            else:
                psutil.Process(job.pid).kill()

    def resume(self, job_id: str, argv: Sequence[str] | None = None) -> Job:
        """Queue an ended job again, as the last, with other arguments where `argv` is given."""
        job = self.get(job_id)
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")  # two may press at once: the job is queued once
            row = connection.execute("SELECT status FROM jobs WHERE id = ?", (job.id,)).fetchone()
            if row is not None and row["status"] not in ("queued", "running"):
                self._requeue(connection, job, argv or resuming(job))
                connection.execute(
                    "UPDATE jobs SET restarts = 0, place = (SELECT max(place) + 1 FROM jobs) WHERE id = ?",
                    (job.id,),
                )
            connection.execute("COMMIT")
        self.pump()
        return self.get(job.id)

    def queue(self) -> list[Job]:
        """Return what waits, in the order in which it will start."""
        return sorted((job for job in self.list() if job.status == "queued"), key=lambda job: job.place)

    def move(self, job_id: str, direction: Direction) -> None:
        """Let a waiting job change places with its neighbour, or with all before or after it.

        Raises:
            QueueError: it does not wait (any more).
        """
        wanted = self.get(job_id).id
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute(
                "SELECT id, place FROM jobs WHERE status = 'queued' ORDER BY place, rowid"
            )
            places = {row["id"]: row["place"] for row in rows}
            order = list(places)
            if wanted not in places:
                connection.execute("ROLLBACK")
                raise QueueError(
                    f"The job {wanted} does not wait (it is {self.get(wanted).status}), so it has no place."
                )
            was = order.index(wanted)
            order.remove(wanted)
            goal = {"up": max(0, was - 1), "down": was + 1, "first": 0, "last": len(order)}[direction]
            order.insert(goal, wanted)
            for job_id, place in zip(order, sorted(places.values()), strict=True):
                connection.execute("UPDATE jobs SET place = ? WHERE id = ?", (place, job_id))
            connection.execute("COMMIT")

    @property
    def at_once(self) -> int:
        """How many trainings of the queue run side by side."""
        with self._connect() as connection:
            row = connection.execute("SELECT value FROM settings WHERE key = 'at_once'").fetchone()
        return int(row["value"]) if row is not None else AT_ONCE

    def set_at_once(self, count: int) -> None:
        """Set how many trainings of this workspace's queue run side by side.

        Raises:
            QueueError: fewer than one.
        """
        if count < 1:
            raise QueueError(
                f"At least one training runs at once; {count} came. To hold the queue, stop its jobs."
            )
        with self._connect() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('at_once', ?)", (str(count),))
        self.pump()

    def pump(self) -> None:
        """Start queued jobs whose turn has come.

        Every Hilum process does this when it starts, and every job when it ends.
        """
        self._mark_lost()
        while (job_id := self._claim()) is not None:
            self._spawn(self.get(job_id))

    def _claim(self) -> str | None:
        """Mark the first startable queued job as running; one transaction, so no two processes take it."""
        at_once = self.at_once
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                f"SELECT id FROM jobs WHERE status = 'queued' AND (kind NOT IN ({_HEAVY_SQL}) OR "
                f"(SELECT count(*) FROM jobs WHERE status = 'running' AND kind IN ({_HEAVY_SQL})) < ?) "
                "ORDER BY place, rowid LIMIT 1",
                (at_once,),
            ).fetchone()
            if row is not None:
                now = time.time()
                connection.execute(
                    "UPDATE jobs SET status = 'running', started = ?, heartbeat = ?, pid = ?, "
                    "process_key = ? WHERE id = ?",
                    (now, now, os.getpid(), own_key(), row["id"]),
                )
            connection.execute("COMMIT")
        return row["id"] if row is not None else None

    def _spawn(self, job: Job) -> None:
        command = [sys.executable, "-m", "pipeline", "--workspace", str(self.workspace.root), *job.argv]
        environment = os.environ | {"HILUM_JOB": job.id, "PYTHONUNBUFFERED": "1"}
        try:
            with job.log_path.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=Path(__file__).resolve().parent.parent,
                    start_new_session=True,
                )
        except OSError as error:
            self._end(
                job.id, "paused", f"Its process could not be started ({error.strerror}). Resume it later."
            )
            return
        key = process_key(process.pid)
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET pid = ?, process_key = ? WHERE id = ? AND status = 'running'",
                (process.pid, key, job.id),
            )
        threading.Thread(target=self._wait, args=(job.id, process), daemon=True).start()

    def _wait(self, job_id: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for a started process, so that no zombie stays; say by what signal it was ended, if so."""
        code = process.wait()
        if code == -getattr(signal, "SIGKILL", 9):
            with self._connect() as connection:
                connection.execute(
                    "UPDATE jobs SET status = 'lost', ended = ?, message = ? "
                    "WHERE id = ? AND pid = ? AND status IN ('running', 'lost')",
                    (time.time(), KILLED, job_id, process.pid),
                )

    @contextmanager
    def reporting(self, kind: str, argv: Sequence[str], title: str = "") -> Iterator[Reporter]:
        """Be the job: the one named by HILUM_JOB, else a new one for a verb typed in a shell.

        The block's end sets the status: finished, stopped (JobStopped, Ctrl-C, SIGTERM), paused or failed.
        """
        job_id = os.environ.pop("HILUM_JOB", None)
        if job_id is None:
            job_id = self._insert(kind, argv, title, status="running")
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = 'running', pid = ?, process_key = ?, started = ?, "
                "heartbeat = ? WHERE id = ?",
                (os.getpid(), own_key(), time.time(), time.time(), job_id),
            )
        reporter = Reporter(self, job_id)
        previous = _on_terminate(reporter)
        try:
            with explained(), reporter.beating():
                yield reporter
            self._end(job_id, "finished", reporter.message)
        except (JobStopped, KeyboardInterrupt):
            self._end(job_id, "stopped", reporter.message or "Stopped on request.")
            raise
        except JobPaused as paused:
            self._end(job_id, "paused", str(paused))
            raise
        except user_errors() as error:
            self._end(job_id, "failed", str(error))
            raise
        except BaseException as error:
            self._end(
                job_id, "failed", f"An unexpected fault ({type(error).__name__}); its log has the details."
            )
            raise
        finally:
            if previous is not None:
                signal.signal(signal.SIGTERM, previous)
            self.pump()


KILLED = (
    "Its process was ended from outside (signal 9), as the system does when memory runs out. What it kept "
    "is there. Close other programs, or take less memory (a smaller batch or image size), and resume it or "
    "start it anew."
)


def _on_terminate(reporter: Reporter) -> Any:
    """Turn SIGTERM into the request to stop. Returns the previous handler, None off the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, lambda *_: reporter.stop_asked.set())
