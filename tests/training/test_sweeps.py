"""Sweeps: what is planned and what it costs, trials as ordinary runs, a search that prunes and goes on."""

from __future__ import annotations

from typing import Any

import pytest

from models.registry import ARCHITECTURES
from pipeline.data.splits import make_split
from pipeline.jobs import Job, JobStopped, JobStore
from pipeline.runs import RunStore
from pipeline.training import estimate, outcome, search
from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError
from pipeline.training.search import ask, launch_search, open_study, resume_search, run_search, trial_config
from pipeline.training.sweep_table import sweep_table
from pipeline.training.sweeps import (
    SweepNotFoundError,
    find_sweep,
    go_on,
    launch_sweep,
    plan_architectures,
    plan_folds,
    runs_of,
    stop_sweep,
)
from pipeline.training.train import resume

BASE = TrainConfig(dataset="discs", image_size=32, batch_size=8, epochs=4, patience=0, learning_rate=3e-3)


class _JobOf:
    """The progress of a job that runs in this process."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id

    def __call__(self, done: int, total: int, message: str = "") -> None:
        pass


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is queued begins."""
    monkeypatch.setattr(JobStore, "_spawn", lambda self, job: None)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, tiny: None) -> None:
    """Trainings run in this process, with a small network, as soon as their turn has come."""

    def spawn(self: JobStore, job: Job) -> None:
        if job.kind != "train":
            return
        try:
            resume(self.workspace, job.argv[1], progress=_JobOf(job.id))
            self._end(job.id, "finished", "")
        except JobStopped as stopped:
            self._end(job.id, "stopped", str(stopped))

    monkeypatch.setattr(JobStore, "_spawn", spawn)
    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


def test_all_architectures_are_planned_on_one_split_small_ones_first(prepared):
    plans = plan_architectures(prepared, BASE, sizes=(64, 96), seeds=(0, 1))
    assert len(plans) == 4 * len(ARCHITECTURES)
    assert {plan.config.split for plan in plans} == {"by-patient"}
    sizes = [plan.estimate.parameters for plan in plans]
    assert sizes == sorted(sizes)
    rows = [plan.to_json() for plan in plans]
    assert all(row["memory"] > 0 and row["seconds"] >= 0 for row in rows)


def test_what_does_not_fit_says_so(prepared, monkeypatch):
    plans = plan_architectures(prepared, BASE, architectures=["EfficientNetV2B0", "ConvNeXtXLarge"])
    needed = [plan.estimate.memory for plan in plans]
    monkeypatch.setattr("pipeline.training.estimate.available_memory", lambda: sum(needed) // 2)
    assert estimate.available_memory() == sum(needed) // 2
    plans = plan_architectures(prepared, BASE, architectures=["EfficientNetV2B0", "ConvNeXtXLarge"])
    assert [plan.fits for plan in plans] == [True, False]


@pytest.mark.usefixtures("held")
def test_each_trial_is_an_ordinary_run_in_the_queue(prepared):
    plans = plan_architectures(prepared, BASE, architectures=["EfficientNetV2B0", "ResNet50V2"])
    sweep = launch_sweep(prepared, "architectures", [plan.config for plan in plans], name="families")
    runs = runs_of(prepared, sweep)
    assert [run.params["architecture"] for run in runs] == ["EfficientNetV2B0", "ResNet50V2"]
    assert [run.name for run in runs] == ["families-1", "families-2"]
    assert {job.run_id for job in JobStore(prepared).list("train")} >= {run.id for run in runs}
    assert find_sweep(prepared, "families").id == sweep.id
    assert stop_sweep(prepared, sweep) == 2
    JobStore(prepared)._end(
        next(j.id for j in JobStore(prepared).list() if j.run_id == runs[0].id), "stopped", ""
    )
    assert {run.status for run in runs_of(prepared, sweep)} == {"stopped"}
    assert go_on(prepared, sweep) == [run.id for run in runs]
    assert go_on(prepared, sweep) == [], "what waits or runs is left alone"
    stop_sweep(prepared, sweep)


@pytest.mark.usefixtures("held")
def test_a_sweep_whose_launch_was_killed_gets_the_missing_trials(prepared, monkeypatch):
    from pipeline.training import sweeps

    configs = [BASE.model_copy(update={"seed": seed, "split": "by-patient"}) for seed in range(3)]
    real, count = sweeps.submit_training, []

    def killed(*args: Any, **options: Any) -> str:
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sweeps, "submit_training", killed)
        launch_sweep(prepared, "architectures", configs, name="cut")
    sweep = find_sweep(prepared, "cut")
    assert len(runs_of(prepared, sweep)) == 1
    go_on(prepared, sweep)
    assert [run.params["seed"] for run in runs_of(prepared, sweep)] == ["0", "1", "2"]
    stop_sweep(prepared, sweep)


@pytest.mark.usefixtures("at_once")
def test_folds_are_trained_one_by_one_and_their_mean_is_told(discs):
    with pytest.raises(ConfigError, match="has no folds.*--folds 5"):
        plan_folds(discs, BASE)
    make_split(discs, "discs", name="folds", folds=3)
    plans = plan_folds(discs, BASE.model_copy(update={"split": "folds", "epochs": 1}))
    sweep = launch_sweep(discs, "folds", [plan.config for plan in plans])
    found = sweep_table(discs, sweep)
    assert found["status"] == {"finished": 3}
    assert found["varied"] == ["fold"]
    (summary,) = found["summary"]
    assert summary["n"] == 3
    values = [row["val_auc"] for row in found["trials"]]
    assert summary["val_auc"]["mean"] == pytest.approx(sum(values) / 3)
    assert not [key for row in found["trials"] for key in row if "test" in key]


@pytest.mark.usefixtures("at_once")
def test_a_search_tries_gives_up_and_finds(discs, monkeypatch):
    monkeypatch.setattr(search, "WAIT_SECONDS", 0.0)
    space = {"learning_rate": [1e-7, 3e-3], "dropout": {"low": 0.0, "high": 0.5}}
    sweep = launch_search(discs, BASE, trials=8, space=space, seed=3, name="found")
    messages: list[str] = []
    run_search(discs, sweep, progress=lambda done, total, message="": messages.append(message))
    found = sweep_table(discs, sweep, intervals=False)
    assert len(found["trials"]) == 8
    assert set(found["status"]) <= {"finished", "pruned"}
    assert found["status"].get("pruned", 0) >= 1, "rates that learn nothing fall behind"
    study = open_study(discs, sweep)
    assert study.best_params["learning_rate"] == 3e-3
    assert "8 of 8 trials done" in messages[-1]
    pruned = next(row for row in found["trials"] if row["ending"] == "pruned")
    assert pruned["epochs"] < 4
    resume(discs, pruned["run"])  # by hand it may train to its end
    assert RunStore(discs).find(pruned["run"]).metrics["epoch"] == 4


@pytest.mark.usefixtures("held")
def test_a_search_that_begins_anew_tries_other_values(prepared):
    """A trial is a function of the search's seed and of what was tried, not of who asks."""
    space = {"dropout": {"low": 0.0, "high": 0.5}}
    values = []
    for name in ("first", "second"):
        sweep = launch_search(prepared, BASE, trials=3, space=space, seed=3, name=name)
        values.append(
            [search._suggest(ask(open_study(prepared, sweep), sweep), sweep)["dropout"] for _ in range(3)]
        )
    assert len(set(values[0])) == 3
    assert values[0] == values[1]


@pytest.mark.usefixtures("held")
def test_a_search_that_was_stopped_goes_on_with_its_trials(prepared):
    sweep = launch_search(prepared, BASE, trials=3, space={"dropout": [0.1, 0.2]}, name="stops")

    def stop(done: int, total: int, message: str = "") -> None:
        if any(run.status != "lost" for run in runs_of(prepared, sweep)):
            raise JobStopped

    store = JobStore(prepared)
    with pytest.raises(JobStopped):
        run_search(prepared, sweep, progress=stop, wait=lambda _: None)
    (run,) = runs_of(prepared, sweep)
    for job in store.list():
        if job.run_id == run.id or job.argv == ["sweep", "run", sweep.id]:
            store._end(job.id, "stopped", "")
    resume_search(prepared, sweep)
    assert [job.status for job in store.list("sweep") if job.argv[-1] == sweep.id] == ["running"]
    with pytest.raises(JobStopped):
        run_search(prepared, sweep, progress=stop, wait=lambda _: None)
    assert len(runs_of(prepared, sweep)) == 1, "the same trial goes on"


def test_a_space_that_means_nothing_is_told_before_anything_begins(prepared):
    for space, words in (
        ({}, "empty"),
        ({"dropout": 3}, "low and high"),
        ({"dropout": {"low": 0.5, "high": 0.1}}, "low end above"),
        ({"dropout": {"low": 0.1, "high": 3.0}}, "'dropout' cannot be 3.0"),
        ({"drop": [1]}, "no key 'drop'"),
    ):
        with pytest.raises(ConfigError, match=words):
            launch_search(prepared, BASE, trials=2, space=space)
    with pytest.raises(ConfigError, match="one trial or more"):
        launch_search(prepared, BASE, trials=0)


def test_parts_of_a_configuration_can_be_searched():
    config = trial_config(BASE.model_dump(mode="json"), {"augment.rotation": 3.5, "seed": 4})
    assert (config.augment.rotation, config.seed, config.augment.zoom) == (3.5, 4, BASE.augment.zoom)


def test_an_unknown_sweep_is_named(prepared):
    with pytest.raises(SweepNotFoundError, match="answers to 'nothing'"):
        find_sweep(prepared, "nothing")
    with pytest.raises(ConfigError, match="No training of this sweep"):
        launch_sweep(prepared, "architectures", [])
