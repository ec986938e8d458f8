"""Runs that go on: stopped after an epoch, extended, cloned, paused for data that is gone."""

from __future__ import annotations

import shutil
import threading

import keras
import numpy as np
import pandas as pd
import pytest

from pipeline.jobs import JobPaused, JobStopped
from pipeline.runs import RunInfo, RunStore
from pipeline.training import outcome
from pipeline.training.checkpoint import read_state
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError, NothingToResumeError
from pipeline.training.extending import clone_config, extend_run
from pipeline.training.schedule import build_schedule
from pipeline.training.train import CHECKPOINT, resume, train
from pipeline.workspace import Workspace

pytestmark = pytest.mark.usefixtures("tiny", "unexported")


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


def config(**options: object) -> TrainConfig:
    values = {"dataset": "discs", "image_size": 32, "batch_size": 8, "epochs": 3, "learning_rate": 3e-3}
    return make_config(values | options)


def find(workspace: Workspace, name: str) -> RunInfo:
    return RunStore(workspace).find(name)


class Wishes:
    """A progress whose user asks for the end of the epoch at a message that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stop_after_epoch = threading.Event()

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            self.stop_after_epoch.set()


def test_a_stop_after_the_epoch_leaves_it_whole(prepared):
    with pytest.raises(JobStopped):
        train(prepared, config(name="whole-epoch"), progress=Wishes("Epoch 2 of 3, batch 1"))
    run = find(prepared, "whole-epoch")
    state = read_state(run.artifacts / CHECKPOINT)
    assert (run.status, state.epoch, state.step) == ("stopped", 2, 0)
    resume(prepared, run.id)
    assert len(pd.read_parquet(run.artifacts / "history.parquet")) == 3


def test_an_extended_run_keeps_what_it_has_and_goes_on_by_the_rule(prepared):
    train(prepared, config(name="longer", patience=0))
    run = find(prepared, "longer")
    before = pd.read_parquet(run.artifacts / "history.parquet")
    with pytest.raises(NothingToResumeError, match="extend"):
        resume(prepared, run.id)
    assert extend_run(prepared, run, 2).epochs == 5
    assert find(prepared, "longer").params["epochs"] == "5"
    resume(prepared, run.id)
    after = pd.read_parquet(run.artifacts / "history.parquet")
    pd.testing.assert_frame_equal(after[:3], before)
    assert after["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert after["learning_rate"].iloc[3] < 3e-4  # a tenth of the highest, falling
    assert after["learning_rate"].iloc[4] == pytest.approx(3e-5)
    assert find(prepared, "longer").status == "finished"
    assert extend_run(prepared, find(prepared, "longer"), 1).extensions == ((3, 5), (5, 6))


def test_the_planned_part_of_an_extended_schedule_is_the_old_one():
    old = config(epochs=4)
    new = config(epochs=6, planned_epochs=4, extensions=[(4, 6)])
    rates = [
        [float(build_schedule(c, "body", steps_per_epoch=5)(step)) for step in range(20)] for c in (old, new)
    ]
    np.testing.assert_array_equal(*rates)
    schedule = build_schedule(new, "body", steps_per_epoch=5)
    added = [float(schedule(step)) for step in range(20, 31)]
    assert added[0] == pytest.approx(3e-4)
    assert added[-1] == pytest.approx(3e-5)
    assert added == sorted(added, reverse=True)


def test_what_cannot_be_extended_says_why(prepared):
    store = RunStore(prepared)
    run = store.create("empty", {}, {})
    with pytest.raises(NothingToResumeError, match="let it end or stop it"):
        extend_run(prepared, run, 3)
    store.finish(run.id, "failed")
    with pytest.raises(NothingToResumeError, match="left no checkpoint.*--weights run:"):
        extend_run(prepared, store.find(run.id), 3)
    with pytest.raises(ConfigError, match="one epoch or more"):
        extend_run(prepared, store.find(run.id), 0)


def test_a_clone_is_the_run_with_what_was_changed(prepared):
    train(prepared, config(name="model", epochs=1, seed=5))
    run = find(prepared, "model")
    cloned = clone_config(run, learning_rate=1e-4)
    old = make_config(run.load_config())
    assert cloned == old.model_copy(update={"learning_rate": 1e-4, "name": None, "split": "by-patient"})
    with pytest.raises(ConfigError, match="no key 'learning_rat'"):
        clone_config(run, learning_rat=1)


def test_slices_that_vanish_pause_the_run_and_their_return_lets_it_go_on(discs):
    with pytest.raises(JobStopped):
        train(discs, config(name="gone"), progress=_StopAt("Epoch 2 of 3, batch 1"))
    folder, away = discs.root.parent / "discs", discs.root.parent / "away"
    shutil.rmtree(discs.cache)
    folder.rename(away)
    run = find(discs, "gone")
    with pytest.raises(JobPaused, match="disk connected.*is paused"):
        resume(discs, run.id)
    assert find(discs, "gone").status == "paused"
    away.rename(folder)
    keras.utils.set_random_seed(7)
    resume(discs, run.id)
    assert find(discs, "gone").status == "finished"


def test_a_data_set_that_was_removed_pauses_the_run(discs):
    with pytest.raises(JobStopped):
        train(discs, config(name="removed"), progress=_StopAt("Epoch 2 of 3, batch 1"))
    shutil.move(discs.datasets / "discs", discs.root.parent / "kept")
    with pytest.raises(JobPaused, match="'?discs'?.*is paused"):
        resume(discs, find(discs, "removed").id)
    assert find(discs, "removed").status == "paused"


def test_prepared_slices_that_are_removed_meanwhile_pause_the_run(discs, monkeypatch):
    def remove_them(path, *_):
        shutil.rmtree(path.parent)

    monkeypatch.setattr("pipeline.training.features._fill", remove_them)
    with pytest.raises(JobPaused, match="is gone: the data set or its prepared slices.*is paused"):
        train(discs, config(name="emptied", head_epochs=1))
    assert find(discs, "emptied").status == "paused"
    monkeypatch.undo()


def test_tensorboard_reads_what_was_asked_for(prepared):
    from tensorflow.core.util.event_pb2 import Event
    from tensorflow.data import TFRecordDataset

    train(prepared, config(name="board", epochs=2, tensorboard=True))
    run = find(prepared, "board")
    found: dict[str, dict[int, float]] = {}
    for path in (run.artifacts / "tensorboard").rglob("events.out.*"):
        for record in TFRecordDataset(str(path)).as_numpy_iterator():
            event = Event.FromString(record)
            for value in event.summary.value:
                name = f"{path.parent.name}/{value.tag}"
                found.setdefault(name, {})[event.step] = float(
                    np.frombuffer(value.tensor.tensor_content, np.float32)[0]
                    if value.tensor.tensor_content
                    else value.tensor.float_val[0]
                )
    history = pd.read_parquet(run.artifacts / "history.parquet")
    assert list(found["train/loss"].values()) == pytest.approx(history["loss"].tolist())
    assert list(found["validation/auc"].values()) == pytest.approx(history["val_auc"].tolist())
    train(prepared, config(name="no-board", epochs=1))
    assert not (find(prepared, "no-board").artifacts / "tensorboard").exists()


class _StopAt:
    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            raise JobStopped
