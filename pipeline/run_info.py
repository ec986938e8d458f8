"""What is known of a run, and reading it from MLflow's local store by SQL.

Importing MLflow takes seconds and a hundred megabytes, and pages only read. MLflow's tables are pinned with
its version, and a test compares what is read here with what its client says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import HilumError
from pipeline.workspace import read_json

EXPERIMENT = "hilum"
BATCH_PREFIX = "batch."  # metrics whose step counts batches; all others count epochs
STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped", "RUNNING": "running"}
STATUS |= {"SCHEDULED": "queued"}
PAUSED_TAG = "hilum.paused"  # why a run waits for room or data; MLflow knows no such status
EPOCHS_TAG = "hilum.epochs"  # of a run that was extended: MLflow's parameters are written once
NOTE_TAG = "mlflow.note.content"  # MLflow's own page shows it as the description
STAR_TAG = "hilum.star"
ARCHIVED_TAG = "hilum.archived"
SWEEP_TAG = "hilum.sweep"


class RunFileMissingError(HilumError):
    """A run lacks a file that its training should have left."""


@dataclass(frozen=True)
class RunInfo:
    """One run as it stands now.

    Attributes:
        status: `queued running finished stopped paused failed lost`; `lost` is a run whose process is gone.
        metrics: the last value of each metric by epoch.
        artifacts: the folder of its files on this machine.
    """

    id: str
    name: str
    status: str
    created: datetime
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    artifacts: Path
    ended: datetime | None = field(default=None)

    @property
    def note(self) -> str:
        """What the user wrote about it."""
        return self.tags.get(NOTE_TAG, "")

    @property
    def starred(self) -> bool:
        """Whether the user marked it."""
        return self.tags.get(STAR_TAG) == "true"

    @property
    def archived(self) -> bool:
        """Whether the user put it away: tables leave it out, nothing is deleted."""
        return self.tags.get(ARCHIVED_TAG) == "true"

    @property
    def synthetic(self) -> bool:
        """Whether it learned from phantoms: a synthetic task, not COVID-19."""
        return self.tags.get("synthetic") == "true"

    @property
    def sweep(self) -> str | None:
        """The sweep that it is a trial of."""
        return self.tags.get(SWEEP_TAG)

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of the model's outputs."""
        return [str(name) for name in self._read("classes.json")]

    def load_config(self) -> dict[str, Any]:
        """Return the training configuration as it was run."""
        return dict(self._read("config.json"))

    def load_recipe(self) -> dict[str, Any]:
        """Return the preprocessing recipe: a run predicts with no other."""
        return dict(self._read("recipe.json"))

    def load_split(self) -> dict[str, Any]:
        """Return the split it was trained on: `name`, `hash`, `dataset` and the `table` of parts."""
        return dict(self._read("split.json"))

    def _read(self, name: str) -> Any:
        path = self.artifacts / name
        if not path.is_file():
            raise RunFileMissingError(
                f"The run {self.name} has no {name} ({self.status}): its training ended too early or its "
                f"folder {self.artifacts} was changed. Train again, or resume it: "
                f"`python -m pipeline resume {self.id[:8]}`."
            )
        return read_json(path)


@contextmanager
def open_local(database: Path) -> Iterator[sqlite3.Connection]:
    """Open MLflow's SQLite store."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        yield connection


def read_local_runs(database: Path, artifacts: Callable[[str], Path]) -> list[RunInfo]:
    """Return the runs of a local store, newest first, none where there is no store.

    Args:
        artifacts: gives the folder of a run's files by its id.
    """
    if not database.is_file():
        return []
    chosen = (
        "FROM runs JOIN experiments USING (experiment_id) WHERE experiments.name = ? "
        "AND runs.lifecycle_stage = 'active'"
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with open_local(database) as connection:
        connection.execute("BEGIN")  # one moment's view over all queries
        if not _is_made(connection):
            return []
        rows = connection.execute(
            f"SELECT run_uuid, runs.name, status, start_time, end_time {chosen} ORDER BY start_time DESC",
            (EXPERIMENT,),
        ).fetchall()
        for table in ("params", "tags", "latest_metrics"):
            found[table] = {}
            query = f"SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN (SELECT run_uuid {chosen})"
            for run_id, key, value in connection.execute(query, (EXPERIMENT,)):
                found[table].setdefault(run_id, {})[key] = value
    return [
        RunInfo(
            id=run_id,
            name=name,
            status=_status(status, found["tags"].get(run_id, {})),
            created=_time(started),
            params=_params(found["params"].get(run_id, {}), found["tags"].get(run_id, {})),
            tags=found["tags"].get(run_id, {}),
            metrics=_by_epoch(found["latest_metrics"].get(run_id, {})),
            artifacts=artifacts(run_id),
            ended=_time(ended) if ended else None,
        )
        for run_id, name, status, started, ended in rows
    ]


def _is_made(connection: sqlite3.Connection) -> bool:
    """Return whether a store has its tables: another process may be making it, and has no run yet."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"experiments", "runs", "params", "tags", "latest_metrics"} <= tables


def read_local_metrics(database: Path, run_id: str, *, by_batch: bool) -> list[tuple[str, int, float]]:
    """Return a run's values by epoch or by batch as (metric, step, value); within a step as written.

    Key by key, as MLflow's index goes: there may be a million values by batch beside a hundred by epoch.
    """
    with open_local(database) as connection:
        connection.execute("BEGIN")
        logged = connection.execute("SELECT key FROM latest_metrics WHERE run_uuid = ?", (run_id,)).fetchall()
        keys = [key for (key,) in logged if key.startswith(BATCH_PREFIX) == by_batch]
        return connection.execute(
            "SELECT key, step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics WHERE run_uuid = ? "
            f"AND key IN ({', '.join('?' * len(keys))}) ORDER BY step, timestamp",
            (run_id, *keys),
        ).fetchall()


def forget_local_metrics(database: Path, run_id: str, *, epoch: int, batch: int) -> None:
    """Remove the metrics of a run beyond an epoch, and those by batch beyond a batch."""
    latest = (
        "SELECT run_uuid, key, value, timestamp, step, is_nan FROM (SELECT *, row_number() OVER "
        "(PARTITION BY key ORDER BY step DESC, timestamp DESC, value DESC) AS newest FROM metrics "
        "WHERE run_uuid = ?) WHERE newest = 1"
    )
    with open_local(database) as connection, connection:
        gone = connection.execute(
            "DELETE FROM metrics WHERE run_uuid = ? AND step > CASE WHEN key LIKE ? THEN ? ELSE ? END",
            (run_id, f"{BATCH_PREFIX}%", batch, epoch),
        )
        if gone.rowcount:
            connection.execute("DELETE FROM latest_metrics WHERE run_uuid = ?", (run_id,))
            columns = "run_uuid, key, value, timestamp, step, is_nan"
            connection.execute(f"INSERT INTO latest_metrics ({columns}) {latest}", (run_id,))


def write_local_tag(database: Path, run_id: str, key: str, value: str) -> None:
    """Write a tag of a run, replacing its old value."""
    with open_local(database) as connection, connection:
        connection.execute(
            "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", (key, value, run_id)
        )


def write_local_name(database: Path, run_id: str, name: str) -> None:
    """Give a run another name; MLflow keeps it in two places."""
    with open_local(database) as connection, connection:
        connection.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", (name, run_id))
        connection.execute(
            "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)",
            (name, run_id),
        )


def write_local_status(database: Path, run_id: str, status: str) -> None:
    """Write how a run stands, in MLflow's words; when it ended stays."""
    with open_local(database) as connection, connection:
        connection.execute("UPDATE runs SET status = ? WHERE run_uuid = ?", (status, run_id))


def from_mlflow(run: Any, artifacts: Path) -> RunInfo:
    """Make a RunInfo of what MLflow's client returns."""
    return RunInfo(
        id=run.info.run_id,
        name=run.info.run_name,
        status=_status(run.info.status, run.data.tags),
        created=_time(run.info.start_time),
        params=_params(run.data.params, run.data.tags),
        tags=dict(run.data.tags),
        metrics=_by_epoch(run.data.metrics),
        artifacts=artifacts,
        ended=_time(run.info.end_time) if run.info.end_time else None,
    )


def _status(name: str, tags: Mapping[str, str]) -> str:
    return "paused" if name == "KILLED" and PAUSED_TAG in tags else STATUS[name]


def _params(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    extended = {"epochs": tags[EPOCHS_TAG]} if EPOCHS_TAG in tags else {}
    return {**params, **extended}


def _by_epoch(metrics: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if not key.startswith(BATCH_PREFIX)}


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
