"""A search over configurations by Optuna: which to try next, and which to give up.

The study lies in the workspace (`sweeps/<id>.db`), so a search goes on after a restart. A light process of
its own (the job `sweep`) asks for configurations and queues them as ordinary runs; each trial's training
tells the study its validation figure after every epoch and hears whether it is to be given up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from pipeline.cluster.place import Cluster
from pipeline.jobs import JobPaused, JobStopped, JobStore, Progress, no_progress
from pipeline.run_info import RunInfo
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError
from pipeline.training.launch import resume_in_background
from pipeline.training.plan import make_plan
from pipeline.training.sweeps import TRIAL_TAG, Sweep, find_sweep, runs_of, save_sweep, submit_trial
from pipeline.workspace import Workspace

WAIT_SECONDS = 1.0
MOST_LOST = 2  # times that a trial whose process was killed is taken up again
SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
    "dropout": {"low": 0.0, "high": 0.6},
    "label_smoothing": {"low": 0.0, "high": 0.15},
    "augment.rotation": {"low": 0.0, "high": 25.0},
}


def launch_search(
    workspace: Workspace,
    base: TrainConfig,
    *,
    trials: int,
    space: dict[str, Any] | None = None,
    seed: int = 0,
    name: str | None = None,
    cluster: Cluster | None = None,
) -> Sweep:
    """Queue a search of `trials` trainings.

    Args:
        base: everything that the space does not name, the split among it.
        space: by key of the configuration (`augment.rotation` for one of its parts): a list of values to
            choose from, or `low`, `high` and, if wanted, `log` or `step`; `SPACE` where none is given.
        seed: of the sampler.

    Raises:
        ConfigError: a space that means nothing, or no trial.
        HilumError: what can't be trained.
    """
    if trials < 1:
        raise ConfigError(f"A search takes one trial or more; {trials} came.")
    plan = make_plan(workspace, base)
    fixed = base.model_copy(update={"split": plan.split["name"], "name": None})
    chosen = SPACE if space is None else space
    _check_space(fixed, chosen)
    options = {"trials": trials, "space": chosen, "seed": seed}
    sweep = save_sweep(workspace, "search", fixed, name=name, options=options, cluster=cluster)
    JobStore(workspace).submit("sweep", ["sweep", "run", sweep.id], f"Search {sweep.name}")
    return sweep


def run_search(
    workspace: Workspace,
    sweep: Sweep,
    *,
    progress: Progress = no_progress,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Ask, queue, wait and tell until all trials of a search are done.

    Raises:
        JobStopped: the user asked to stop; trials that run are stopped too, and go on with the search.
        JobPaused: a trial has paused; its reason concerns all.
    """
    study, total = open_study(workspace, sweep), int(sweep.options["trials"])
    lost: dict[int, int] = {}
    _take_up(workspace, sweep, study)
    while True:
        running = _tell_ended(workspace, sweep, study, lost)
        done = len(study.trials) - running
        try:
            progress(done, total, _told(study, done, total))
        except JobStopped:
            _stop_trials(workspace, sweep)
            raise
        if done >= total:
            return
        while running < JobStore(workspace).at_once and len(study.trials) < total:
            _submit(workspace, sweep, ask(study, sweep))
            running += 1
        wait(WAIT_SECONDS)


def resume_search(workspace: Workspace, sweep: Sweep) -> None:
    """Queue a search that has ended before its trials were done, as the job that it was."""
    store, argv = JobStore(workspace), ["sweep", "run", sweep.id]
    own = [job for job in store.list("sweep") if job.argv == argv]
    if own:
        store.resume(own[0].id)
    else:
        store.submit("sweep", argv, f"Search {sweep.name}")


def open_study(workspace: Workspace, sweep: Sweep) -> Any:
    """Open a search's study, made if need be."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{workspace.root / 'sweeps' / f'{sweep.id}.db'}",
        engine_kwargs={"connect_args": {"timeout": 60}},
    )
    return optuna.create_study(
        storage=storage,
        study_name=sweep.id,
        load_if_exists=True,
        direction="minimize" if sweep.base["monitor"] == "val_loss" else "maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )


def ask(study: Any, sweep: Sweep) -> Any:
    """Return the next trial: what is tried is a function of the search's seed and of the trials before.

    A sampler that began anew with each process would try the same values again after a restart.
    """
    import numpy as np
    import optuna

    seeds = np.random.SeedSequence([int(sweep.options["seed"]), len(study.trials)]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(seeds[0]))
    return study.ask()


class SearchTrial:
    """What a training tells its search."""

    def __init__(self, study: Any, trial_id: int) -> None:
        import optuna

        self._trial = optuna.trial.Trial(study, trial_id)
        self._told = set(study._storage.get_trial(trial_id).intermediate_values)

    def should_prune(self, epoch: int, value: float) -> bool:
        """Tell the study the figure of `epoch`; return whether others stood so much better then."""
        if epoch not in self._told:  # an epoch that a resumed training does again was told before
            self._trial.report(value, epoch)
            self._told.add(epoch)
        return bool(self._trial.should_prune())


def open_trial(workspace: Workspace, run: RunInfo) -> SearchTrial | None:
    """Return the trial of a search that `run` is; None where it is none, or the search has done with it."""
    if run.sweep is None or TRIAL_TAG not in run.tags:
        return None
    sweep = find_sweep(workspace, run.sweep)
    if sweep.kind != "search":
        return None
    study = open_study(workspace, sweep)
    trial = study.trials[int(run.tags[TRIAL_TAG])]
    return None if trial.state.is_finished() else SearchTrial(study, trial._trial_id)


def trial_config(base: dict[str, Any], params: dict[str, Any]) -> TrainConfig:
    """Return a trial's configuration: `base` with what the search chose.

    Raises:
        ConfigError: a wrong key or value.
    """
    values = {**base, "augment": dict(base["augment"])}
    for key, value in params.items():
        part, _, inner = key.rpartition(".")
        if part == "augment":
            values["augment"][inner] = value
        else:
            values[key] = value
    return make_config(values, source="The search")


def _submit(workspace: Workspace, sweep: Sweep, trial: Any) -> None:
    submit_trial(workspace, sweep, trial.number, trial_config(sweep.base, _suggest(trial, sweep)))


def _suggest(trial: Any, sweep: Sweep) -> dict[str, Any]:
    chosen = {}
    for key, wanted in sweep.options["space"].items():
        if isinstance(wanted, list):
            chosen[key] = trial.suggest_categorical(key, wanted)
        elif isinstance(wanted["low"], int) and isinstance(wanted["high"], int):
            chosen[key] = trial.suggest_int(key, **wanted)
        else:
            chosen[key] = trial.suggest_float(key, **wanted)
    return chosen


def _take_up(workspace: Workspace, sweep: Sweep, study: Any) -> None:
    """Go on with the trials of a search that was stopped or killed."""
    runs = {int(run.tags[TRIAL_TAG]): run for run in runs_of(workspace, sweep)}
    for trial in study.trials:
        if trial.state.is_finished():
            continue
        run = runs.get(trial.number)
        if run is None:  # killed between asking and queueing
            import optuna

            _submit(workspace, sweep, optuna.trial.Trial(study, trial._trial_id))
        elif run.status in ("stopped", "paused", "lost") and run.tags.get("ending") != "pruned":
            resume_in_background(workspace, run)


def _tell_ended(workspace: Workspace, sweep: Sweep, study: Any, lost: dict[int, int]) -> int:
    """Tell the study which trials have ended and how; return how many have not."""
    from optuna.trial import TrialState

    runs = {int(run.tags[TRIAL_TAG]): run for run in runs_of(workspace, sweep)}
    running = 0
    for trial in study.trials:
        run = runs.get(trial.number)
        if trial.state.is_finished():
            continue
        if run is None or run.status in ("queued", "running"):
            running += 1
        elif run.status == "paused":
            _stop_trials(workspace, sweep)
            raise JobPaused(f"The trial {run.name} is paused, and the search with it. Resume the search.")
        elif run.status == "lost" and lost.get(trial.number, 0) < MOST_LOST:
            lost[trial.number] = lost.get(trial.number, 0) + 1
            resume_in_background(workspace, run)
            running += 1
        elif run.status == "stopped" and run.tags.get("ending") == "pruned":
            study.tell(trial.number, state=TrialState.PRUNED)
        elif run.status == "finished" and f"best_{sweep.base['monitor']}" in run.metrics:
            study.tell(trial.number, run.metrics[f"best_{sweep.base['monitor']}"])
        else:
            study.tell(trial.number, state=TrialState.FAIL)
    return running


def _stop_trials(workspace: Workspace, sweep: Sweep) -> None:
    """Take the trials that wait out of the queue, and stop those that run."""
    store, ids = JobStore(workspace), {run.id for run in runs_of(workspace, sweep)}
    for job in store.list("train"):
        if job.active and job.run_id in ids:
            store.stop(job.id)


def _told(study: Any, done: int, total: int) -> str:
    values = [trial.value for trial in study.trials if trial.value is not None]
    text = f"{done} of {total} trials done"
    return text + (f", best {study.best_value:.3f} (trial {study.best_trial.number + 1})" if values else "")


def _check_space(base: TrainConfig, space: dict[str, Any]) -> None:
    """Make sure that the ends of each range are values that a configuration can have."""
    if not space:
        raise ConfigError("The search space is empty: name at least one setting to try values of.")
    for key, wanted in space.items():
        known = isinstance(wanted, list) and len(wanted) > 0
        known |= isinstance(wanted, dict) and {"low", "high"} <= set(wanted) <= {"low", "high", "log", "step"}
        if not known:
            raise ConfigError(
                f"The space of {key!r} cannot be {wanted!r}: give a list of values, or low and high (and log "
                'or step), as in {"learning_rate": {"low": 0.0001, "high": 0.01, "log": true}}.'
            )
        if isinstance(wanted, dict) and not wanted["low"] <= wanted["high"]:
            raise ConfigError(f"The space of {key!r} has a low end above its high end: {wanted!r}.")
        for value in wanted if isinstance(wanted, list) else (wanted["low"], wanted["high"]):
            trial_config(base.model_dump(mode="json"), {key: value})
