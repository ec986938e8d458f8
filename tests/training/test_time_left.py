"""What a training says of the time that is left: by its last epoch, validation included."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.training import callbacks
from pipeline.training.config import TrainConfig

BATCHES = 10


class Batches:
    batch_size = 8

    def __len__(self) -> int:
        return BATCHES

    def set_epoch(self, epoch: int) -> None:
        pass


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A training of 11 epochs on a clock of its own: 1 s a batch, then 30 s for validation."""
    clock = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    said: list[str] = []
    switch = type(
        "Switch", (), {"asked": False, "__call__": lambda _, done, total, text: said.append(text)}
    )()
    journal = SimpleNamespace(batch=lambda step, values: None)
    curves = callbacks.Curves(Batches(), TrainConfig(dataset="a", epochs=11), journal, switch)

    def epoch(number: int) -> str:
        curves.on_epoch_begin(number)
        for batch in range(BATCHES):
            clock[0] += 1
            curves.on_train_batch_end(batch, {"loss": 1.0})
        clock[0] += 30
        curves.on_epoch_end(number)
        return said[-1]

    return SimpleNamespace(curves=curves, epoch=epoch)


def test_the_time_left_counts_validation_once_an_epoch_is_known(training):
    training.curves.on_train_begin()
    assert "about 2 min left" in training.epoch(0), "10 epochs of 10 s, as far as is known"
    assert "about 6 min left" in training.epoch(1), "9 epochs of 40 s"


def test_before_the_last_stage_the_time_is_that_of_the_stage(training):
    training.curves.config = TrainConfig(dataset="a", epochs=11, head_epochs=5)
    training.curves.on_train_begin()
    assert "about 40 s left of this stage" in training.epoch(0), "4 epochs of 10 s"
    training.curves.on_train_begin()
    assert training.epoch(5).endswith("about 50 s left"), "5 epochs of 10 s"


def test_another_stage_has_another_speed(training):
    training.curves.on_train_begin()
    assert "8.0 images/s" in training.epoch(0)
    training.curves.on_train_begin()
    training.curves.batches.batch_size = 4
    assert "4.0 images/s" in training.epoch(1)


def test_another_stage_has_another_pace(training):
    training.curves.on_train_begin()
    training.epoch(0)
    training.curves.on_train_begin()
    assert "about 2 min left" in training.epoch(1), "9 epochs of 10 s, as far as is known of this stage"
