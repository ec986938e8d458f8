"""What waiting trainings wait for, how long is left, and when patience runs out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.stages import early_stop_in, patience_begins, waited_epochs
from pipeline.training.waiting import Wait, config_of, seconds_left, waits_of
from pipeline.workspace import atomic_write_json


def test_one_after_the_other():
    waits = waits_of(["a"], ["b", "c"], {"a": 60.0, "b": 100.0, "c": 5.0}, at_once=1)
    assert waits == {"b": Wait("a", 60.0), "c": Wait("b", 160.0)}


def test_two_at_once_take_the_place_that_is_free_first():
    left = {"a": 60.0, "b": 10.0, "c": 100.0, "d": 1.0}
    waits = waits_of(["a", "b"], ["c", "d"], left, at_once=2)
    assert waits == {"c": Wait("b", 10.0), "d": Wait("a", 60.0)}


def test_a_free_place_is_taken_at_once():
    assert waits_of(["a"], ["b"], {"a": 60.0}, at_once=2) == {"b": Wait(None, 0.0)}


def test_what_is_not_known_stays_unknown():
    waits = waits_of(["a"], ["b", "c"], {"a": None, "b": 5.0}, at_once=1)
    assert waits == {"b": Wait("a", None), "c": Wait("b", None)}


def test_where_more_run_than_may_the_first_end_frees_no_place():
    waits = waits_of(["a", "b"], ["c"], {"a": 10.0, "b": 60.0}, at_once=1)
    assert waits == {"c": Wait("b", 60.0)}


def test_what_is_left_goes_by_the_pace_of_the_last_epoch(workspace):
    store, jobs = RunStore(workspace), JobStore(workspace)
    run = store.create("a", {"steps_per_epoch": 10}, {})
    job_id = jobs._insert("train", ["train"], "", status="running", run_id=run.id)
    jobs._report(job_id, 25, 100, "Epoch 3 of 10, batch 5 of 10")
    job = jobs.get(job_id)
    assert seconds_left(job, run) is None, "no epoch is whole"
    assert seconds_left(job, replace(run, metrics={"seconds": 8.0})) == pytest.approx(7.5 * 8)
    assert seconds_left(replace(job, message="Building the model"), run) is None


def test_the_time_left_is_known_in_the_last_stage(workspace):
    job_id = JobStore(workspace)._insert("train", ["train"], "", status="running")
    job = replace(JobStore(workspace).get(job_id), message="Epoch 3 of 10", done=30, total=100)
    run = RunStore(workspace).create("staged", {"steps_per_epoch": 10}, {})
    config = TrainConfig(dataset="a", epochs=10, head_epochs=4)
    atomic_write_json(run.artifacts / "config.json", config.model_dump(mode="json"))
    assert seconds_left(job, replace(run, metrics={"seconds": 8.0, "epoch": 4.0})) is None
    assert seconds_left(job, replace(run, metrics={"seconds": 8.0, "epoch": 5.0})) == pytest.approx(7 * 8)


def test_a_waiting_training_is_known_by_its_file(workspace):
    config = TrainConfig(dataset="small", epochs=7, name="mine")
    atomic_write_json(workspace.root / "config.json", config.model_dump(mode="json"))
    jobs = JobStore(workspace)
    path = str(workspace.root / "config.json")
    job = jobs.get(jobs._insert("train", ["train", "--config", path], "", status="running"))
    assert config_of(job, None) == config
    assert config_of(replace(job, argv=["resume", "abc"]), None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"head_epochs": 4},
        {"sizes": (96, 128), "image_size": 160},
        {"epochs": 25, "planned_epochs": 20, "extensions": ((20, 25),)},
        {"patience": 0},
    ],
)
def test_the_countdown_is_the_rule_that_ends_a_training(changes):
    """Counting down from any epoch ends where `waited_epochs` ends it."""
    config = TrainConfig(**({"dataset": "a", "epochs": 20, "patience": 3} | changes))
    for best in range(1, config.epochs + 1):
        ends = next(
            (
                epoch
                for epoch in range(best, config.epochs)
                if config.patience
                and waited_epochs(config, waited=epoch - best, epoch=epoch) >= config.patience
            ),
            None,
        )
        for epoch in range(best, ends or config.epochs):
            left = early_stop_in(config, best=best, epoch=epoch)
            assert left == (None if ends is None else ends - epoch), (best, epoch)


def test_patience_begins_with_the_last_stage():
    config = TrainConfig(dataset="a", epochs=10, head_epochs=2, patience=3)
    assert patience_begins(config) == 2
    assert early_stop_in(config, best=1, epoch=1) == 4
