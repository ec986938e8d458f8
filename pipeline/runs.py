"""Runs: what was trained, with what, how it went, and the files it left. MLflow keeps them.

The store is `runs/mlflow.db` (SQLite) with plain folders under `runs/artifacts`, which `mlflow ui` reads as
it is; HILUM_TRACKING_URI moves it to a server. An inherited MLFLOW_TRACKING_URI is named in a warning and
not obeyed: it would send patients' rows wherever the shell happened to point.

Everything is written through MLflow's client; a local store is read by SQL (`run_info`).

    artifacts of a run:  config.json  recipe.json  split.json  classes.json  environment.json  log.txt
                         history.parquet  weights.weights.h5  resume/  engine/  predictions/  seen.parquet
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import HilumError
from pipeline.jobs import Job, JobStore
from pipeline.locks import only_one
from pipeline.processes import own_key, process_lives
from pipeline.run_info import (
    BATCH_PREFIX,
    EXPERIMENT,
    PAUSED_TAG,
    STATUS,
    RunFileMissingError,
    RunInfo,
    forget_local_metrics,
    from_mlflow,
    open_local,
    read_local_metrics,
    read_local_runs,
    write_local_name,
    write_local_status,
    write_local_tag,
)
from pipeline.workspace import Workspace, checked_name

__all__ = ["BATCH_PREFIX", "JOB_TAG", "RunFileMissingError", "RunInfo", "RunNotFoundError", "RunStore"]

_PROCESS_TAG = "hilum.process"
JOB_TAG = "hilum.job"
_TO_MLFLOW = {status: name for name, status in STATUS.items()}
_LOG = logging.getLogger("hilum.runs")


class RunNotFoundError(HilumError):
    """No run, or more than one, answers to this text."""


class NameTakenError(HilumError):
    """Another run has this name."""


class RunStore:
    """The runs of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.server = os.environ.get("HILUM_TRACKING_URI") or None
        _warn_of_inherited_uri()

    @property
    def database(self) -> Path:
        """MLflow's local store, which a server takes the place of."""
        return self.workspace.runs / "mlflow.db"

    def artifacts(self, run_id: str) -> Path:
        """Return the folder of a run's files. It follows the workspace when that is moved."""
        return self.workspace.runs / "artifacts" / run_id / "artifacts"

    def list(self) -> list[RunInfo]:
        """Return all runs, newest first."""
        found: Sequence[RunInfo]
        if self.server:
            found = [from_mlflow(run, self.artifacts(run.info.run_id)) for run in self._search()]
        else:
            found = read_local_runs(self.database, self.artifacts)
        jobs = {job.id: job for job in JobStore(self.workspace).list()} if found else {}
        return [_with_true_status(run, jobs) for run in found]

    def find(self, text: str) -> RunInfo:
        """Return the run with this id, beginning of an id, or name; `demo` is the newest demo model.

        Raises:
            RunNotFoundError: none, or several.
        """
        runs = self.list()
        demos = [run for run in runs if run.name == "demo" or run.tags.get("demo") == "true"]
        matches = demos[:1] if text == "demo" and demos else [run for run in runs if run.id == text]
        matches = matches or [run for run in runs if run.name == text]
        matches = matches or [run for run in runs if text and run.id.startswith(text)]
        if len(matches) == 1:
            return self._fetched(matches[0])
        if matches:
            ids = ", ".join(run.id[:8] for run in matches[:5])
            raise RunNotFoundError(f"{len(matches)} runs answer to {text!r}: say which by its id ({ids}).")
        known = ", ".join(run.name for run in runs[:5])
        raise RunNotFoundError(
            f"No run answers to {text!r}. "
            + (f"There are {known}; " if known else "There are none yet; train one, ")
            + "`python -m pipeline runs` lists all."
        )

    def create(
        self,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        *,
        job_id: str | None = None,
        queued: bool = False,
    ) -> RunInfo:
        """Begin a run in this process and make the folder of its files.

        With `queued`, another process will `reopen` it, and it is shown as queued until then.
        """
        client = self._client()
        own = dict(tags) if queued else _own_tags(tags, job_id)
        run = client.create_run(self._experiment(client), tags=own, run_name=name)
        run_id = str(run.info.run_id)
        self.artifacts(run_id).mkdir(parents=True, exist_ok=True)
        self.log_params(run_id, params)
        return self.find(run_id)

    def reopen(self, run_id: str, *, job_id: str | None = None) -> RunInfo:
        """Go on with a run that had ended, in this process."""
        client = self._client()
        for key, value in _own_tags({}, job_id).items():
            client.set_tag(run_id, key, value)
        self._go_on(client, run_id)
        return self.find(run_id)

    def _go_on(self, client: Any, run_id: str) -> None:
        if PAUSED_TAG in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, PAUSED_TAG)
        client.update_run(run_id, status="RUNNING")

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Write parameters; a parameter is written once."""
        from mlflow.entities import Param

        rows = [Param(key, str(value)[:6000]) for key, value in params.items()]
        self._client().log_batch(run_id, params=rows)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        """Write one value a metric at `step` (an epoch; a batch for names that begin with `batch.`)."""
        self.log_steps(run_id, [(step, metrics)])

    def log_steps(self, run_id: str, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Write the metrics of several steps in one transaction."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        values = [Metric(key, float(value), now, step) for step, row in rows for key, value in row.items()]
        for start in range(0, len(values), 1000):  # MLflow's limit
            self._client().log_batch(run_id, metrics=values[start : start + 1000])

    def forget_after(self, run_id: str, *, epoch: int, batch: int) -> None:
        """Remove metrics of later epochs and batches, which a resumed training will write again.

        On a server they stay, and the newer value of a step counts: MLflow's client removes none.
        """
        if not self.server:
            forget_local_metrics(self.database, run_id, epoch=epoch, batch=batch)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Write a tag, replacing its old value."""
        self._client().set_tag(run_id, key, value)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name.

        Raises:
            InvalidNameError: it cannot be a name.
            NameTakenError: another run has it: a name finds one run.
        """
        checked_name(name)
        others = [run.id for run in self.list() if run.name == name and run.id != run_id]
        if others:
            raise NameTakenError(f"The run {others[0][:8]} is called {name!r} already. Choose another name.")
        if self.server:
            self._client().update_run(run_id, name=name)
        else:
            write_local_name(self.database, run_id, name)

    def label(self, run_id: str, key: str, value: str) -> None:
        """Write what the user says of a run: NOTE_TAG, STAR_TAG (`true` or empty), ARCHIVED_TAG likewise.

        On a local store without MLflow's client, whose import a page would have to wait for.
        """
        if self.server:
            self._client().set_tag(run_id, key, value)
        else:
            write_local_tag(self.database, run_id, key, value)

    def take_end_back(self, run_id: str) -> None:
        """Let a finished run count as stopped: there is more for it to do. As `label`, without the client."""
        if self.server:
            self._client().update_run(run_id, status=_TO_MLFLOW["stopped"])
        else:
            write_local_status(self.database, run_id, _TO_MLFLOW["stopped"])

    def finish(self, run_id: str, status: str = "finished", *, reason: str = "") -> None:
        """End a run; with a server, send its files there first.

        Args:
            status: `finished`, `stopped`, `failed`, or `paused` with the reason.
        """
        client = self._client()
        if status == "paused":
            client.set_tag(run_id, PAUSED_TAG, reason or "paused")
            status = "stopped"
        if self.server:
            client.log_artifacts(run_id, str(self.artifacts(run_id)))
        client.set_terminated(run_id, status=_TO_MLFLOW[status])

    def history(self, run_id: str, *, by: str = "epoch") -> pd.DataFrame:
        """Return the logged metrics, one row a step and one column a metric, `step` first.

        Args:
            run_id: the full id.
            by: `epoch`, or `batch` for the metrics by batch (without their prefix).
        """
        rows = self._metric_rows(run_id, by_batch=by == "batch")
        table = pd.DataFrame(rows, columns=["metric", "step", "value"])
        table["metric"] = table["metric"].str.removeprefix(BATCH_PREFIX)
        wide = table.pivot_table(index="step", columns="metric", values="value", aggfunc="last", dropna=False)
        wide.columns.name = None
        return wide.reset_index()

    def _metric_rows(self, run_id: str, *, by_batch: bool) -> Sequence[tuple[str, int, float]]:
        if self.server:
            client = self._client()
            logged = client.get_run(run_id).data.metrics
            keys = [key for key in logged if key.startswith(BATCH_PREFIX) == by_batch]
            return [(m.key, m.step, m.value) for key in keys for m in client.get_metric_history(run_id, key)]
        return read_local_metrics(self.database, run_id, by_batch=by_batch)

    def _fetched(self, run: RunInfo) -> RunInfo:
        """Bring the files of a server's run to this machine, once."""
        if self.server and run.status != "running" and not (run.artifacts / "config.json").is_file():
            run.artifacts.mkdir(parents=True, exist_ok=True)
            for item in self._client().list_artifacts(run.id):
                self._client().download_artifacts(run.id, item.path, str(run.artifacts))
        return run

    def _search(self) -> Any:
        client = self._client()
        return client.search_runs([self._experiment(client)], order_by=["attributes.start_time DESC"])

    def _client(self) -> Any:
        uri = self.server or f"sqlite:///{self.database}"
        if uri not in _CLIENTS:
            if self.server:
                _CLIENTS[uri] = _new_client(uri)
            else:
                with only_one(self.workspace.runs / ".making.db"):  # two processes must not both migrate
                    _CLIENTS[uri] = _new_client(uri)
                with open_local(self.database) as connection:
                    connection.execute("PRAGMA journal_mode=WAL")  # readers never wait for the writer
        return _CLIENTS[uri]

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            location = None if self.server else (self.workspace.runs / "artifacts").as_uri()
            return str(client.create_experiment(EXPERIMENT, artifact_location=location))
        return str(found.experiment_id)


_CLIENTS: dict[str, Any] = {}


def _new_client(uri: str) -> Any:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _with_true_status(run: RunInfo, jobs: Mapping[str, Job]) -> RunInfo:
    """A process that was killed could not say so, and no run knows that it is queued again: ask its job."""
    job = jobs.get(run.tags.get(JOB_TAG, ""))
    if run.status != "running":
        waits = job is not None and job.run_id == run.id and job.status == "queued"
        return replace(run, status="queued") if waits else run
    if job is not None:
        return replace(run, status=job.status)
    # Its row was removed from the list, or the run came from another workspace.
    if (process := run.tags.get(_PROCESS_TAG)) is None:
        return replace(run, status="queued")
    return run if _process_lives(process) else replace(run, status="lost")


def _own_tags(tags: Mapping[str, str], job_id: str | None) -> dict[str, str]:
    process = f"{platform.node()}|{os.getpid()}|{own_key()}"
    return {**tags, _PROCESS_TAG: process} | ({JOB_TAG: job_id} if job_id else {})


def _process_lives(tag: str) -> bool:
    """Whether the process that wrote `tag` still runs; one on another machine is taken at its word."""
    node, _, rest = tag.partition("|")
    pid, _, started = rest.partition("|")
    if node != platform.node():
        return bool(node)
    return pid.isdecimal() and process_lives(int(pid), started)


def _warn_of_inherited_uri() -> None:
    inherited = os.environ.get("MLFLOW_TRACKING_URI")
    if inherited and inherited not in _WARNED:
        _WARNED.add(inherited)
        _LOG.warning(
            "MLFLOW_TRACKING_URI=%s is not used: runs may hold patients' rows. "
            "To keep Hilum's runs on a server on purpose, set HILUM_TRACKING_URI.",
            inherited,
        )


_WARNED: set[str] = set()
