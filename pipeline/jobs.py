"""Long work: started in a process of its own, watched, stopped, resumed, queued.

A job is a row in `jobs/jobs.db` (SQLite, WAL). It runs as `python -m pipeline ...` in a session of its own,
so closing the browser or the dashboard does not end it. The row holds the process and its start time: a
number that the system has given to another process since is not mistaken for the job. A job whose process is
gone without a last word is `lost`, never `running`.

    queued -> running -> finished | stopped | failed | lost        stopped, failed, lost -> queued (resume)

The same verb typed in a shell registers itself, so page and shell show one list.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import HilumError, user_errors
from pipeline.progress import JobStopped, Progress, no_progress, show_progress
from pipeline.storage import explained
from pipeline.workspace import Workspace

__all__ = [
    "Job",
    "JobNotFoundError",
    "JobStopped",
    "JobStore",
    "Progress",
    "Reporter",
    "no_progress",
    "process_lives",
]

AT_ONCE = 1  # queued jobs of a heavy kind that run side by side: memory is what small machines lack
HEAVY = frozenset({"train", "sweep"})
HEARTBEAT_SECONDS = 2.0
LOG_SECONDS = 5.0  # between two lines of progress where stderr is a file
_ENDED = ("finished", "stopped", "failed", "lost")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, argv TEXT NOT NULL, status TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, started REAL, ended REAL, heartbeat REAL, pid INTEGER, process_started REAL,
    stop_asked INTEGER NOT NULL DEFAULT 0, run_id TEXT
)
"""


class JobNotFoundError(HilumError):
    """No job has this id."""


@dataclass(frozen=True)
class Job:
    """One row of the job list. Times are seconds since 1970, None where not reached."""

    id: str
    kind: str
    title: str
    argv: list[str]
    status: str
    done: int
    total: int
    message: str
    created: float
    started: float | None
    ended: float | None
    heartbeat: float | None
    pid: int | None
    process_started: float | None
    stop_asked: bool
    run_id: str | None
    log_path: Path

    @property
    def active(self) -> bool:
        """Whether the job waits or runs."""
        return self.status in ("queued", "running")

    @property
    def fraction(self) -> float:
        """Done over total, 0 where the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class JobStore:
    """The jobs of one workspace. Any number of processes may hold one."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        with self._connect() as connection:
            connection.execute(_SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.workspace.jobs_db, timeout=30, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            yield connection

    def submit(self, kind: str, argv: Sequence[str], title: str = "", run_id: str | None = None) -> Job:
        """Queue `python -m pipeline --workspace ... *argv` and start it if its turn has come."""
        job_id = self._insert(kind, argv, title, status="queued", run_id=run_id)
        self.pump()
        return self.get(job_id)

    def list(self, kind: str | None = None) -> list[Job]:
        """Return all jobs, newest first, with the dead found out."""
        self._mark_lost()
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM jobs ORDER BY created DESC").fetchall()
        jobs = [self._job(row) for row in rows]
        return [job for job in jobs if kind is None or job.kind == kind]

    def get(self, job_id: str) -> Job:
        """Return one job, by id or unambiguous beginning of it.

        Raises:
            JobNotFoundError: none or several begin so.
        """
        self._mark_lost()
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM jobs WHERE substr(id, 1, length(?)) = ?", (job_id, job_id)
            ).fetchall()
        if len(rows) != 1:
            raise JobNotFoundError(
                f"{'No job' if not rows else 'More than one job'} begins with {job_id!r}. "
                "`python -m pipeline jobs` lists them."
            )
        return self._job(rows[0])

    def stop(self, job_id: str) -> None:
        """Ask a job to stop at its next step; a queued one stops at once. Asking twice does no harm."""
        job = self.get(job_id)
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = 'stopped', ended = ? WHERE id = ? AND status = 'queued'",
                (time.time(), job.id),
            )
            connection.execute(
                "UPDATE jobs SET stop_asked = 1 WHERE id = ? AND status = 'running'", (job.id,)
            )

    def kill(self, job_id: str) -> None:
        """End a running job's processes at once. What it had written stays; it shows as stopped."""
        job = self.get(job_id)
        if job.status == "running" and process_lives(job.pid, job.process_started) and job.pid is not None:
            if os.name == "posix" and os.getpgid(job.pid) == job.pid:
                os.killpg(job.pid, signal.SIGKILL)
            else:
                psutil.Process(job.pid).kill()
            self._end(job.id, "stopped", "Ended at once on request.")

    def resume(self, job_id: str, argv: Sequence[str] | None = None) -> Job:
        """Queue an ended job again, with other arguments where `argv` is given."""
        job = self.get(job_id)
        if not job.active:
            with self._connect() as connection:
                connection.execute(
                    "UPDATE jobs SET status = 'queued', argv = ?, stop_asked = 0, started = NULL, "
                    "ended = NULL, pid = NULL, message = '' WHERE id = ?",
                    (json.dumps(list(argv or job.argv)), job.id),
                )
            self.pump()
        return self.get(job.id)

    def remove(self, job_id: str) -> None:
        """Forget an ended job and its log."""
        job = self.get(job_id)
        if not job.active:
            with self._connect() as connection:
                connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            job.log_path.unlink(missing_ok=True)

    def set_run(self, job_id: str, run_id: str) -> None:
        """Say which run this job trains."""
        with self._connect() as connection:
            connection.execute("UPDATE jobs SET run_id = ? WHERE id = ?", (run_id, job_id))

    def pump(self) -> None:
        """Start queued jobs whose turn has come.

        Every Hilum process does this when it starts, and every job when it ends.
        """
        self._mark_lost()
        while (job_id := self._claim()) is not None:
            self._spawn(self.get(job_id))

    def _claim(self) -> str | None:
        """Mark the oldest startable queued job as running; one transaction, so no two processes take it."""
        heavy = ", ".join(f"'{kind}'" for kind in sorted(HEAVY))
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                f"SELECT id FROM jobs WHERE status = 'queued' AND (kind NOT IN ({heavy}) OR "
                f"(SELECT count(*) FROM jobs WHERE status = 'running' AND kind IN ({heavy})) < ?) "
                "ORDER BY created LIMIT 1",
                (AT_ONCE,),
            ).fetchone()
            if row is not None:
                now = time.time()
                connection.execute(
                    "UPDATE jobs SET status = 'running', started = ?, heartbeat = ?, pid = ?, "
                    "process_started = ? WHERE id = ?",
                    (now, now, os.getpid(), _own_start(), row["id"]),
                )
            connection.execute("COMMIT")
        return row["id"] if row is not None else None

    def _spawn(self, job: Job) -> None:
        command = [sys.executable, "-m", "pipeline", "--workspace", str(self.workspace.root), *job.argv]
        environment = os.environ | {"HILUM_JOB": job.id, "PYTHONUNBUFFERED": "1"}
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
        threading.Thread(target=process.wait, daemon=True).start()  # so that no zombie stays
        try:
            started = psutil.Process(process.pid).create_time()
        except psutil.NoSuchProcess:
            started = time.time()
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET pid = ?, process_started = ? WHERE id = ? AND status = 'running'",
                (process.pid, started, job.id),
            )

    @contextmanager
    def reporting(self, kind: str, argv: Sequence[str], title: str = "") -> Iterator[Reporter]:
        """Be the job: the one named by HILUM_JOB, else a new one for a verb typed in a shell.

        The block's end sets the status: finished, stopped (JobStopped, Ctrl-C, SIGTERM) or failed.
        """
        job_id = os.environ.pop("HILUM_JOB", None)
        if job_id is None:
            job_id = self._insert(kind, argv, title, status="running")
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = 'running', pid = ?, process_started = ?, started = ?, "
                "heartbeat = ? WHERE id = ?",
                (os.getpid(), _own_start(), time.time(), time.time(), job_id),
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

    def fail(self, job_id: str, message: str) -> None:
        """Say that a job ended before its work began, and why."""
        self._end(job_id, "failed", message)

    def _insert(
        self, kind: str, argv: Sequence[str], title: str, *, status: str, run_id: str | None = None
    ) -> str:
        job_id = time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(2)
        now = time.time()
        with self._connect() as connection:
            connection.execute(
                "INSERT INTO jobs (id, kind, title, argv, status, created, heartbeat, pid, "
                "process_started, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id,
                    kind,
                    title or kind,
                    json.dumps(list(argv)),
                    status,
                    now,
                    now,
                    os.getpid(),
                    _own_start(),
                )
                + (run_id,),
            )
        return job_id

    def _report(self, job_id: str, done: int, total: int, message: str) -> None:
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET done = ?, total = ?, message = ?, heartbeat = ? WHERE id = ?",
                (done, total, message, time.time(), job_id),
            )

    def _beat(self, job_id: str) -> bool:
        """Show that the job lives; return whether the user asked it to stop."""
        with self._connect() as connection:
            connection.execute("UPDATE jobs SET heartbeat = ? WHERE id = ?", (time.time(), job_id))
            row = connection.execute("SELECT stop_asked FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return bool(row and row["stop_asked"])

    def _end(self, job_id: str, status: str, message: str) -> None:
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = ?, message = ?, ended = ? WHERE id = ?",
                (status, message, time.time(), job_id),
            )

    def _mark_lost(self) -> None:
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT id, pid, process_started FROM jobs WHERE status = 'running'"
            ).fetchall()
            dead = [row["id"] for row in rows if not process_lives(row["pid"], row["process_started"])]
            for job_id in dead:
                connection.execute(
                    "UPDATE jobs SET status = 'lost', ended = heartbeat, "
                    "message = 'Its process is gone without a last word; it can be resumed.' "
                    "WHERE id = ? AND status = 'running'",
                    (job_id,),
                )

    def _job(self, row: sqlite3.Row) -> Job:
        values: dict[str, Any] = dict(row)
        values["argv"] = json.loads(values["argv"])
        values["stop_asked"] = bool(values["stop_asked"])
        return Job(**values, log_path=self.workspace.job_logs / f"{row['id']}.txt")


class Reporter:
    """The `Progress` of a job: writes four times a second and at turns, raises JobStopped when asked to."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        self.job_id = job_id
        self.message = ""
        self.stop_asked = threading.Event()
        self._store = store
        self._written = self._shown = 0.0

    def __call__(self, done: int, total: int, message: str = "") -> None:
        begins = done == 0 and message not in ("", self.message)  # a stretch that may be silent for long
        self.message = message or self.message
        now = time.monotonic()
        turning = done >= total or begins
        if now - self._written >= 0.25 or turning:
            self._written = now
            self._store._report(self.job_id, int(done), int(total), self.message)
        if now - self._shown >= (0.25 if sys.stderr.isatty() else LOG_SECONDS) or turning:
            self._shown = now
            show_progress(done, total, self.message)
        if self.stop_asked.is_set():
            raise JobStopped(f"Stopped on request after {done} of {total}.")

    def set_run(self, run_id: str) -> None:
        """Say which run this job trains."""
        self._store.set_run(self.job_id, run_id)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the heartbeat going, and look for the request to stop, while the block runs."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS / 2):
                try:
                    if self._store._beat(self.job_id):
                        self.stop_asked.set()
                except sqlite3.OperationalError:
                    continue  # a full disk or a long lock: the next beat tries again

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(timeout=2 * HEARTBEAT_SECONDS)


def _on_terminate(reporter: Reporter) -> Any:
    """Turn SIGTERM into the request to stop. Returns the previous handler, None off the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, lambda *_: reporter.stop_asked.set())


def _own_start() -> float:
    return float(psutil.Process().create_time())


def process_lives(pid: int | None, started: float | None) -> bool:
    """Return whether process `pid` still is the one that started at `started` (seconds since 1970)."""
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and (
            started is None or abs(process.create_time() - started) < 1.0
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
