"""Training in the background: from a page, from a shell that goes on, and going on with what ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from pipeline.cluster.place import Cluster
from pipeline.jobs import Job, JobStore
from pipeline.runs import JOB_TAG, RunInfo, RunStore
from pipeline.training.cluster.place import for_workers
from pipeline.training.config import TrainConfig
from pipeline.training.plan import make_plan
from pipeline.training.train import begin_run, nothing_to_resume
from pipeline.workspace import Workspace, atomic_write_json


def launch_training(workspace: Workspace, config: TrainConfig) -> Job:
    """Queue a training; its process makes the run. Loads no MLflow, so a page may call it.

    Raises:
        HilumError: the configuration names what isn't there, or a class is absent from a part.
    """
    make_plan(workspace, config)  # what is wrong with the request is said here, not in a log
    stem = time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(2)
    path = workspace.root / "jobs" / "configs" / f"{stem}.json"
    atomic_write_json(path, config.model_dump(mode="json"))
    return JobStore(workspace).submit("train", ["train", "--config", str(path)], _title(config))


def submit_training(
    workspace: Workspace,
    config: TrainConfig,
    *,
    cluster: Cluster | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Queue a training and return its run's id at once, even where other trainings come first.

    Raises:
        HilumError: see `launch_training`.
    """
    if cluster is not None:
        config, tags = for_workers(config), {**(tags or {}), **cluster.tags}
    plan = make_plan(workspace, config)
    store = RunStore(workspace)
    run = begin_run(store, plan, queued=True, tags=tags)
    job = JobStore(workspace).submit("train", ["resume", run.id], _title(config), run_id=run.id)
    store.set_tag(run.id, JOB_TAG, job.id)
    return run.id


def resume_in_background(workspace: Workspace, run: RunInfo) -> Job:
    """Queue the rest of a run that has ended without being finished, as the job that it was.

    Raises:
        NothingToResumeError: it is finished.
    """
    if run.status == "finished":
        raise nothing_to_resume(run)
    jobs = JobStore(workspace)
    own = [job for job in jobs.list("train") if job.run_id == run.id]
    if own:
        return jobs.resume(own[0].id, ["resume", run.id])
    job = jobs.submit("train", ["resume", run.id], f"Resume {run.name}", run_id=run.id)
    RunStore(workspace).label(run.id, JOB_TAG, job.id)
    return job


def _title(config: TrainConfig) -> str:
    return f"Train {config.architecture} on {config.dataset}"
