"""Training from end to end: slices -> fit -> best weights -> engine and predictions, as one run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from models.backend import start_backend
from pipeline.cache.build import build_cache
from pipeline.cache.store import SliceCache
from pipeline.cluster.place import Cluster, require_libraries
from pipeline.data.datasets import read_manifest
from pipeline.errors import user_errors
from pipeline.jobs import JobPaused, JobStopped, JobStore, Progress, no_progress
from pipeline.runs import JOB_TAG, RunInfo, RunStore
from pipeline.storage import explained
from pipeline.training.checkpoint import Fitted
from pipeline.training.cluster.launch import fit_on_cluster
from pipeline.training.cluster.place import LIBRARIES, for_workers
from pipeline.training.config import TrainConfig
from pipeline.training.errors import NothingToResumeError, OutOfMemoryError
from pipeline.training.facts import write_environment, write_seen
from pipeline.training.journal import Journal
from pipeline.training.memory import ENDING
from pipeline.training.pace import AROUND_TAG, around_seconds
from pipeline.training.pausing import free_reserve, keep_reserve, reason_to_pause, same_slices
from pipeline.training.plan import Plan, make_plan, plan_files, stored_plan
from pipeline.training.switch import StopSwitch
from pipeline.training.tensorboard import open_log
from pipeline.workspace import Workspace, atomic_write_json, read_json

CHECKPOINT = "resume/state.npz"  # of `checkpoint`, which loads the learning library
_ENDINGS = {
    "stopped": "stopped on request",
    "early": "ended early",
    "complete": "complete",
    "pruned": "given up by its search",
}
_NOT_PARAMETERS = {
    "augment", "name", "recipe", "split", "classes", "planned_epochs", "extensions", "tensorboard",
}  # fmt: skip


def train(
    workspace: Workspace,
    config: TrainConfig,
    *,
    cluster: Cluster | None = None,
    progress: Progress = no_progress,
) -> str:
    """Train a classifier and return its run's id.

    A request to stop ends the epoch at its next batch; the best weights are kept, exported and used to
    predict, and JobStopped is raised at the end.

    Args:
        cluster: where to train; None trains in this process.

    Raises:
        HilumError, ModelError: what can't be trained, and the way out. What was reached is kept in the run.
        JobStopped: the user asked to stop.
    """
    plan = make_plan(workspace, config if cluster is None else for_workers(config))
    store = RunStore(workspace)
    tags = cluster.tags if cluster is not None else None
    run = begin_run(store, plan, job_id=getattr(progress, "job_id", None), tags=tags)
    _tell_job(progress, run.id)
    with _concluded(store, run):
        _run_plan(workspace, plan, store, run, progress, cluster)
    return run.id


def begin_run(
    store: RunStore,
    plan: Plan,
    *,
    job_id: str | None = None,
    queued: bool = False,
    tags: Mapping[str, str] | None = None,
) -> RunInfo:
    """Make the run of a plan with all that `resume` needs to train it."""
    name = _free_name(store, plan.config)
    tags = {**(tags or {}), "dataset": plan.config.dataset, "split": plan.split["name"]}
    tags |= {"note": plan.note} if plan.note else {}
    manifest = read_manifest(store.workspace, plan.config.dataset) or {}
    tags |= {"synthetic": "true"} if manifest.get("synthetic") else {}
    run = store.create(name, _parameters(plan), tags, job_id=job_id, queued=queued)
    for file, value in plan_files(plan).items():
        atomic_write_json(run.artifacts / file, value)
    return run


def resume(workspace: Workspace, run_id: str, *, progress: Progress = no_progress) -> str:
    """Go on with a run from its last checkpoint, with the split and recipe that it was begun with.

    A run that has no epoch yet (queued, or lost early) begins. One of a cluster goes on there.

    Raises:
        NothingToResumeError: it is finished or still running, or its recipe's stages are another version.
        See `train`.
    """
    store = RunStore(workspace)
    run = store.find(run_id)
    job_id = getattr(progress, "job_id", None)
    others = [job for job in JobStore(workspace).list() if job.run_id == run.id and job.id != job_id]
    elsewhere = run.status == "running" and run.tags.get(JOB_TAG) != job_id
    if run.status == "finished" or elsewhere or any(job.status == "running" for job in others):
        raise nothing_to_resume(run)
    if (cluster := Cluster.of(run.tags)) is not None:
        require_libraries(*LIBRARIES)
    split = read_json(run.artifacts / "split.json")
    plan = stored_plan(run.load_config(), run.load_recipe(), split)
    run = store.reopen(run.id, job_id=job_id)
    _tell_job(progress, run.id)
    with _concluded(store, run):
        _run_plan(workspace, plan, store, run, progress, cluster)
    return run.id


def nothing_to_resume(run: RunInfo) -> NothingToResumeError:
    """Say that a run is done or under way, and what can be done with it."""
    return NothingToResumeError(
        f"The run {run.name} is {run.status}: there is nothing to resume. To train it longer: `python -m "
        f"pipeline extend {run.id[:8]} 100`; to begin another from its weights: `--weights run:{run.id[:8]}`."
    )


def _run_plan(
    workspace: Workspace,
    plan: Plan,
    store: RunStore,
    run: RunInfo,
    progress: Progress,
    cluster: Cluster | None,
) -> None:
    journal = Journal(store, run, log=open_log(plan.config, run))
    journal.say(
        f"{plan.config.architecture} on {plan.config.dataset}, split {plan.split['name']}: {_counts(plan)}"
    )
    if plan.note:
        journal.say(plan.note)
    cache = build_cache(workspace, plan.config.dataset, plan.recipe, progress)
    began, goes_on = time.monotonic(), (run.artifacts / CHECKPOINT).is_file()
    plan = plan.readable(cache)
    if goes_on:
        plan = same_slices(run, plan)
    if len(cache.unreadable):
        journal.say(f"{len(cache.unreadable)} slices could not be read and are left out.")
    write_seen(workspace, run, plan)
    from pipeline.training.search import open_trial  # which queues trainings itself

    switch = StopSwitch(progress, open_trial(workspace, run))
    if cluster is None:
        progress(0, 1, "Loading the learning library")
        fitted, model = _fit_here(workspace, plan, cache, journal, switch)
    else:
        with journal.flushed():
            fitted, model = fit_on_cluster(cluster, workspace, plan, cache, journal, switch), None
    if fitted.state.best_epoch:
        _export(plan, cache, run, model, switch)
    if cluster is None and not (goes_on or fitted.stopped):
        _tell_around(store, journal, plan.config, time.monotonic() - began)
    _tell_end(store, journal, fitted, switch, progress)


def _fit_here(
    workspace: Workspace, plan: Plan, cache: SliceCache, journal: Journal, switch: StopSwitch
) -> tuple[Fitted, Any]:
    """Train in this process; return how it ended, and the model."""
    set_up_backend(plan.config)
    # Only now: the learning library takes seconds and half a gigabyte, and a wrong request needs neither.
    from pipeline.training.fit import build_model, fit_model

    write_environment(journal.run)
    switch(0, 1, "Building the model")
    began = (journal.run.artifacts / CHECKPOINT).is_file()
    model = build_model(workspace, plan, channels=cache.channels, began=began)
    journal.parameters({"parameters": model.count_params(), "slices": len(plan.table)})
    switch(0, 1, "Compiling the first step, which takes a while")
    with journal.flushed():
        return fit_model(model, plan, cache, journal, switch), model


def _export(plan: Plan, cache: SliceCache, run: RunInfo, model: Any, switch: StopSwitch) -> None:
    """Export the best weights and predict all parts with them; a cluster has kept its model."""
    set_up_backend(plan.config)
    from pipeline.training import outcome
    from pipeline.training.fit import exportable

    model = exportable(model, plan, channels=cache.channels)
    outcome.write_outcome(run, plan, cache, model, switch)


def _tell_around(store: RunStore, journal: Journal, config: TrainConfig, elapsed: float) -> None:
    """Keep what start and end of a training took, for the estimates of later ones."""
    seconds = around_seconds(elapsed, journal.epochs, config, features=journal.features_seconds)
    store.set_tag(journal.run.id, AROUND_TAG, f"{seconds:.1f}")


def _tell_end(
    store: RunStore, journal: Journal, fitted: Fitted, switch: StopSwitch, progress: Progress
) -> None:
    """Say how a training ended.

    Raises:
        JobStopped: the user, or its search, ended it.
    """
    ending = "stopped" if fitted.stopped else "early" if fitted.ended_early else "complete"
    ending = "pruned" if switch.pruned else ending
    store.set_tag(journal.run.id, "ending", ending)
    words = _ENDINGS[ending]
    journal.say(f"Training {words} after {fitted.state.epoch} epochs; best epoch {fitted.state.best_epoch}.")
    if fitted.stopped:
        best = f"the best weights (epoch {fitted.state.best_epoch}) are exported"
        best = best if fitted.state.best_epoch else "no epoch is whole yet"
        end = f"{words[:1].upper()}{words[1:]}; {best}."
        with contextlib.suppress(JobStopped):
            progress(1, 1, end)
        raise JobStopped(end)
    progress(1, 1, f"Done: best epoch {fitted.state.best_epoch}")


def set_up_backend(config: TrainConfig) -> None:
    """Set threads and determinism, which the learning library reads once, and start it."""
    if config.threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(config.threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    if config.deterministic:
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
    start_backend()


@contextmanager
def _concluded(store: RunStore, run: RunInfo) -> Iterator[None]:
    """Give the run its end, whatever it is; say in its log why it failed."""
    try:
        with explained():
            keep_reserve(run)
            yield
    except (JobStopped, KeyboardInterrupt):
        free_reserve(run)
        store.finish(run.id, "stopped")
        raise
    except BaseException as error:
        free_reserve(run)
        if (cause := reason_to_pause(error, store.workspace)) is not None:
            pause = JobPaused(
                f"{cause} The run {run.name} is paused: `python -m pipeline resume {run.id[:8]}`."
            )
            with contextlib.suppress(Exception):  # there may be no room even for this; its job says it too
                Journal(store, run).say(str(pause))
                store.finish(run.id, "paused", reason=str(pause))
            raise pause from error
        reason = (
            str(error) if isinstance(error, user_errors()) else f"Unexpected: {type(error).__name__}: {error}"
        )
        Journal(store, run).say(reason)
        if isinstance(error, OutOfMemoryError):
            store.set_tag(run.id, "ending", ENDING)
        store.finish(run.id, "failed")
        raise
    free_reserve(run)
    store.finish(run.id, "finished")


def _parameters(plan: Plan) -> dict[str, Any]:
    """Return what the runs' table compares, flat."""
    values = plan.config.model_dump(mode="json", exclude=_NOT_PARAMETERS)
    values |= {f"augment.{key}": value for key, value in plan.config.augment.model_dump().items()}
    values |= {"recipe": plan.recipe.name, "recipe_hash": plan.recipe.hash[:12]}
    values |= {"split": plan.split["name"], "split_hash": plan.split["hash"][:12]}
    return values | {"classes": ",".join(plan.classes)}


def _free_name(store: RunStore, config: TrainConfig) -> str:
    """Return the wanted name, or a made one, numbered where a run has it already: a name finds one run."""
    taken = {run.name for run in store.list()}
    if config.name is not None and config.name not in taken:
        return config.name
    stem = (config.name or f"{config.architecture}-{config.dataset}")[:56]
    return next(
        name for n in range(1 if config.name is None else 2, 10**6) if (name := f"{stem}-{n}") not in taken
    )


def _tell_job(progress: Progress, run_id: str) -> None:
    if hasattr(progress, "set_run"):
        progress.set_run(run_id)


def _counts(plan: Plan) -> str:
    counts = plan.table.groupby("part").size()
    return ", ".join(f"{part} {count}" for part, count in counts.items())
