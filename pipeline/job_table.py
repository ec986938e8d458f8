"""The table of jobs: one row each in `jobs/jobs.db` (SQLite, WAL), for any number of processes."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import HilumError
from pipeline.processes import machine_restarted_since, own_key, process_lives
from pipeline.workspace import Workspace

# By itself, after restarts of the machine: a job that brings it down must not do so for ever.
MOST_RESTARTS = 3
STOP_NOW, STOP_AFTER_EPOCH = 1, 2
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, argv TEXT NOT NULL,
        status TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL, started REAL, ended REAL, heartbeat REAL, pid INTEGER, process_started REAL,
        stop_asked INTEGER NOT NULL DEFAULT 0, run_id TEXT
    )
    """,
    """
    ALTER TABLE jobs ADD COLUMN process_key TEXT;
    ALTER TABLE jobs ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
    UPDATE jobs SET place = rowid, process_key = CAST(process_started AS TEXT);
    CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)  # each step once, in order; `user_version` counts those that were taken
_COLUMNS = (
    "id, kind, title, argv, status, done, total, message, created, started, ended, heartbeat, pid, "
    "process_key, stop_asked, run_id, place"
)


class JobNotFoundError(HilumError):
    """No job has this id."""


@dataclass(frozen=True)
class Job:
    """One row of the job list. Times are seconds since 1970, None where not reached.

    Attributes:
        status: `queued running finished stopped paused failed lost`.
        process_key: with `pid`, which process it is (`processes`).
        stop_asked: at its next step.
        stop_after_epoch: when its epoch is whole.
        place: in the queue; lower ones come first.
    """

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
    process_key: str | None
    stop_asked: bool
    stop_after_epoch: bool
    run_id: str | None
    place: int
    log_path: Path

    @property
    def active(self) -> bool:
        """Whether the job waits or runs."""
        return self.status in ("queued", "running")

    @property
    def fraction(self) -> float:
        """Done over total, 0 where the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class JobTable:
    """Reading and writing the rows of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        with self._connect() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < len(_SCHEMA):
                _migrate(connection)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.workspace.jobs_db, timeout=30, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            yield connection

    def list(self, kind: str | None = None) -> list[Job]:
        """Return all jobs, newest first, with the dead found out."""
        self._mark_lost()
        with self._connect() as connection:
            # By the order of writing: a clock that was set back must not shuffle the list.
            rows = connection.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY rowid DESC").fetchall()
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
                f"SELECT {_COLUMNS} FROM jobs WHERE substr(id, 1, length(?)) = ?", (job_id, job_id)
            ).fetchall()
        if len(rows) != 1:
            raise JobNotFoundError(
                f"{'No job' if not rows else 'More than one job'} begins with {job_id!r}. "
                "`python -m pipeline jobs` lists them."
            )
        return self._job(rows[0])

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

    def fail(self, job_id: str, message: str) -> None:
        """Say that a job ended before its work began, and why."""
        self._end(job_id, "failed", message)

    def _insert(
        self, kind: str, argv: Sequence[str], title: str, *, status: str, run_id: str | None = None
    ) -> str:
        job_id = time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(2)
        now = time.time()
        values = (job_id, kind, title or kind, json.dumps(list(argv)), status, now, now, os.getpid())
        with self._connect() as connection:
            connection.execute(
                "INSERT INTO jobs (id, kind, title, argv, status, created, heartbeat, pid, process_key, "
                "run_id, detached, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                "(SELECT coalesce(max(place), 0) + 1 FROM jobs))",
                (*values, own_key(), run_id, int(status == "queued")),
            )
        return job_id

    def _report(self, job_id: str, done: int, total: int, message: str) -> None:
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET done = ?, total = ?, message = ?, heartbeat = ? WHERE id = ?",
                (done, total, message, time.time(), job_id),
            )

    def _beat(self, job_id: str) -> int:
        """Show that the job lives; return how the user asked it to stop: 0, STOP_NOW or STOP_AFTER_EPOCH."""
        with self._connect() as connection:
            connection.execute("UPDATE jobs SET heartbeat = ? WHERE id = ?", (time.time(), job_id))
            row = connection.execute("SELECT stop_asked FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return int(row["stop_asked"]) if row else 0

    def _end(self, job_id: str, status: str, message: str) -> None:
        with self._connect() as connection:
            connection.execute(
                "UPDATE jobs SET status = ?, message = ?, ended = ? WHERE id = ?",
                (status, message, time.time(), job_id),
            )

    def _requeue(self, connection: sqlite3.Connection, job: Job | sqlite3.Row, argv: Sequence[str]) -> None:
        """Queue a job again within the caller's transaction."""
        job_id = job["id"] if isinstance(job, sqlite3.Row) else job.id
        connection.execute(
            "UPDATE jobs SET status = 'queued', argv = ?, stop_asked = 0, started = NULL, ended = NULL, "
            "pid = NULL, process_key = NULL, message = '', detached = 1 WHERE id = ?",
            (json.dumps(list(argv)), job_id),
        )

    def _mark_lost(self) -> None:
        """Find out whose process is gone: after a restart of the machine what was queued once goes on."""
        with self._connect() as connection:
            query = f"SELECT {_COLUMNS}, detached, restarts FROM jobs WHERE status = 'running'"
            dead = [
                row
                for row in connection.execute(query).fetchall()
                if not process_lives(row["pid"], row["process_key"])
            ]
            if not dead:
                return
            connection.execute("BEGIN IMMEDIATE")
            for row in dead:
                same = "WHERE id = ? AND status = 'running' AND pid IS ? AND process_key IS ?"
                key = (row["id"], row["pid"], row["process_key"])
                # Another process may have looked at the same time, and even have started the job anew.
                if connection.execute(f"SELECT 1 FROM jobs {same}", key).fetchone() is None:
                    continue
                goes_on = row["detached"] and row["restarts"] < MOST_RESTARTS and not row["stop_asked"]
                if goes_on and machine_restarted_since(row["process_key"]):
                    self._requeue(connection, row, resuming(self._job(row)))
                    connection.execute("UPDATE jobs SET restarts = restarts + 1 WHERE id = ?", (row["id"],))
                    continue
                connection.execute(
                    "UPDATE jobs SET status = 'lost', ended = heartbeat, "
                    f"message = 'Its process is gone without a last word; it can be resumed.' {same}",
                    key,
                )
            connection.execute("COMMIT")

    def _job(self, row: sqlite3.Row) -> Job:
        values: dict[str, Any] = {key: row[key] for key in _COLUMNS.split(", ")}
        values["argv"] = json.loads(values["argv"])
        values["stop_after_epoch"] = values["stop_asked"] == STOP_AFTER_EPOCH
        values["stop_asked"] = values["stop_asked"] == STOP_NOW
        return Job(**values, log_path=self.workspace.job_logs / f"{row['id']}.txt")


def resuming(job: Job) -> list[str]:
    """Return the words that go on with a job: a training that has its run goes on with that."""
    return ["resume", job.run_id] if job.kind == "train" and job.run_id else job.argv


def _migrate(connection: sqlite3.Connection) -> None:
    # Of two processes that come here at once, one waits and finds it done.
    connection.execute("BEGIN IMMEDIATE")
    taken = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in _SCHEMA[taken:]:
        for statement in filter(str.strip, step.split(";")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {max(taken, len(_SCHEMA))}")
    connection.execute("COMMIT")
