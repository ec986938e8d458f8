"""Which jobs work on a data set: they must end before it is removed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import HilumError
from pipeline.jobs import Job, JobStore
from pipeline.runs import RunStore
from pipeline.workspace import Workspace, read_json

_NAMED_AFTER = {"index": "--name", "audit": "audit"}  # the word before the data set's name; else --dataset
_TRAINING = {"train", "sweep"}


class DatasetInUseError(HilumError):
    """Jobs that wait or run need the data set."""


def jobs_on(workspace: Workspace, name: str) -> list[Job]:
    """Return the jobs on a data set that wait, run or are paused, newest first."""
    runs = {run.id: run.params.get("dataset", "") for run in RunStore(workspace).list()}
    jobs = [job for job in JobStore(workspace).list() if job.active or job.status == "paused"]
    return [job for job in jobs if _dataset_of(job, runs, workspace) == name]


def require_unused(workspace: Workspace, name: str) -> None:
    """Raise DatasetInUseError, with the jobs and how to stop them, where any waits or runs on a data set."""
    active = [job for job in jobs_on(workspace, name) if job.active]
    if active:
        named = "; ".join(
            f"{job.title} ({job.status}; `python -m pipeline queue cancel {job.id}` stops it)"
            for job in active
        )
        raise DatasetInUseError(
            f"The data set {name} is in use and was not removed: {named}. Wait until it has ended, or stop "
            "it, on the Train page where it is a training."
        )


def paused_text(workspace: Workspace, name: str) -> str:
    """Say which paused jobs could not go on without a data set; empty where there is none."""
    titles = [job.title for job in jobs_on(workspace, name) if job.status == "paused"]
    if not titles:
        return ""
    return f" Paused, and not to be resumed before it is indexed again: {'; '.join(titles)}."


def _dataset_of(job: Job, runs: Mapping[str, str], workspace: Workspace) -> str:
    """Return the data set that a job works on, empty where none is known."""
    if job.run_id is not None and job.run_id in runs:
        return runs[job.run_id]
    words = [part for word in job.argv for part in (word.split("=", 1) if word[:2] == "--" else [word])]
    following = dict(zip(words, words[1:], strict=False))
    named = following.get(_NAMED_AFTER.get(job.kind, "--dataset"), "")
    if named or job.kind not in _TRAINING:
        return named
    if job.kind == "sweep":
        return _read_dataset(workspace.root / "sweeps" / f"{words[-1]}.json", "base")
    return _read_dataset(Path(following.get("--config", "")))


def _read_dataset(path: Path, *inside: str) -> str:
    """Return the data set that a configuration names."""
    if path.suffix != ".json" or not path.is_file():
        return ""
    content = read_json(path)
    for key in inside:
        content = content[key]
    return str(content.get("dataset", ""))
