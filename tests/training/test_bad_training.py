"""Trainings that cannot go well: each ends in a sentence with a way out, and loses nothing."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.index import build_index, load_index
from pipeline.data.splits import load_split, make_split
from pipeline.errors import HilumError
from pipeline.jobs import JobStopped
from pipeline.runs import RunStore
from pipeline.training.batches import TrainBatches
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError, DivergedError
from pipeline.training.train import resume, train
from pipeline.workspace import Workspace

pytestmark = pytest.mark.usefixtures("tiny", "unexported")


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import outcome

    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


def config(**options: object) -> TrainConfig:
    return make_config({"dataset": "discs", "image_size": 32, "batch_size": 8, "epochs": 2, **options})


def write_slices(folder: Path, counts: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    for label, number in counts.items():
        (folder / label).mkdir(parents=True)
        for name in range(number):
            coarse = rng.integers(0, 255, (6, 6), dtype=np.uint8)
            image = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / label / f"{name}.png"), image)


@pytest.mark.parametrize("counts", [{"pCT": 1}, {"pCT": 1, "nCT": 1}])
def test_one_slice_is_too_few(workspace, tmp_path, counts):
    write_slices(tmp_path / "few", counts)
    build_index(workspace, tmp_path / "few", name="few")
    with pytest.raises(HilumError, match="split|slice|class"):
        make_split(workspace, "few", group_by="none")
        train(workspace, config(dataset="few"))


def test_one_training_slice_a_class_is_enough_to_begin(workspace, tmp_path):
    """A batch is then as large as the data; the run ends, whatever it is worth."""
    write_slices(tmp_path / "few", {"pCT": 6, "nCT": 6})
    build_index(workspace, tmp_path / "few", name="few")
    make_split(workspace, "few", group_by="none", name="all")
    parts = load_split(workspace, "few", "all").table
    assert set(parts["part"]) >= {"train", "val"}
    train(workspace, config(dataset="few", batch_size=64, accumulate=4))
    assert RunStore(workspace).list()[0].status == "finished"


@pytest.mark.parametrize("size", [8, 16, 31, 2000])
def test_an_image_size_that_no_architecture_takes(size):
    with pytest.raises(ConfigError, match=f"'image_size' cannot be {size} .*(32|1024)"):
        config(image_size=size)


def test_a_loss_that_is_no_number_names_the_slices_of_its_batch(prepared, monkeypatch):
    original = TrainBatches.__getitem__

    def broken(self: TrainBatches, index: int) -> Any:
        images, targets = original(self, index)
        return images, targets * (np.nan if self.epoch == 1 and index == 2 else 1)

    monkeypatch.setattr(TrainBatches, "__getitem__", broken)
    with pytest.raises(DivergedError, match=r"batch 3 of epoch 2 \(slices .* and 4 more\)") as raised:
        train(prepared, config(name="nan", feature_copies=0))
    run = RunStore(prepared).find("nan")
    log = (run.artifacts / "log.txt").read_text()
    named = log.split("Batch 3 of epoch 2 held ")[1].split(".")[0].split(", ")
    assert len(named) == 8 and named[0] in str(raised.value)
    seen = pd.read_parquet(run.artifacts / "seen.parquet").set_index("slice_id")
    assert set(seen.loc[named, "part"]) == {"train"}
    assert set(named) <= set(load_index(prepared, "discs")["slice_id"])
    assert (run.artifacts / "weights.weights.h5").is_file(), "the best weights so far are kept"


def test_the_slices_named_are_those_that_the_network_was_given(prepared, monkeypatch):
    """By what is in them: each batch's own prepared slices, unaugmented."""
    from pipeline.training import callbacks

    given: dict[int, np.ndarray] = {}
    original = TrainBatches.__getitem__

    def watched(self: TrainBatches, index: int) -> Any:
        batch = original(self, index)
        if self.epoch == 0:
            given[index] = batch[1].argmax(1)
        return batch

    named: dict[int, list[str]] = {}

    def name(self: Any, batch: int, logs: Any = None) -> None:
        if self._epoch == 0:
            self._slices_of(batch)
            line = (self.journal.run.artifacts / "log.txt").read_text().splitlines()[-1]
            named[batch] = line.split(" held ")[1].rstrip(".").split(", ")

    monkeypatch.setattr(TrainBatches, "__getitem__", watched)
    monkeypatch.setattr(callbacks.Curves, "on_train_batch_begin", name, raising=False)
    train(prepared, config(name="watched", epochs=1))
    labels = load_index(prepared, "discs").set_index("slice_id")["label"]
    classes = RunStore(prepared).find("watched").class_names
    assert len(named) >= 4
    for batch, slices in named.items():
        assert [classes.index(labels[slice_]) for slice_ in slices] == given[batch].tolist()


def test_a_rate_at_which_it_diverges_keeps_what_was_reached_or_says_so(prepared):
    """The highest rate that is let through, without what holds it back."""
    wild = {"learning_rate": 9.9, "clip_norm": 0, "optimizer": "adam", "schedule": "constant"}
    try:
        train(prepared, config(name="wild", epochs=3, **wild))
    except DivergedError as error:
        assert "smaller learning rate than 9.9" in str(error)
    run = RunStore(prepared).find("wild")
    assert run.status in ("finished", "failed")
    figures = pd.read_parquet(run.artifacts / "history.parquet")
    assert (figures["epoch"] >= 1).all()


class StopAt:
    """A progress whose user presses stop at a message that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            raise JobStopped


def test_a_saved_recipe_changed_under_a_resumed_run_changes_nothing_for_it(prepared: Workspace):
    """The run keeps its own; what is saved under the name meanwhile is for the next one."""
    from pipeline.preprocessing.recipe import PRESETS, load_recipe, save_recipe

    save_recipe(PRESETS["hilum"].changed(name="mine", size=64), prepared.recipes)
    with pytest.raises(JobStopped):
        train(prepared, config(name="kept", recipe="mine"), progress=StopAt("Epoch 2 of 2, batch 1"))
    began = RunStore(prepared).find("kept").load_recipe()
    save_recipe(PRESETS["hilum"].changed(name="mine", size=96), prepared.recipes)
    resume(prepared, RunStore(prepared).find("kept").id)
    run = RunStore(prepared).find("kept")
    assert run.status == "finished"
    assert run.load_recipe() == began
    assert load_recipe("mine", prepared.recipes).size == 96
    assert (began["size"], run.load_recipe()["size"]) == (64, 64)


def test_a_clock_that_jumps_changes_no_figure(prepared, monkeypatch):
    """Back by a year and forth by ten at every look: spans are measured by a clock that cannot jump."""
    hours = count()
    real = time.time
    jump = [0.0, -3.15e7, 3.15e8]
    monkeypatch.setattr(time, "time", lambda: real() + jump[next(hours) % 3])
    train(prepared, config(name="jumping"))
    run = RunStore(prepared).find("jumping")
    assert run.status == "finished"
    history = pd.read_parquet(run.artifacts / "history.parquet")
    assert history["seconds"].between(0, 600).all() and len(history) == 2
