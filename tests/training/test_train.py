"""Training end to end on a small network: what it leaves, and how it ends when something is in the way."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from models.errors import WeightsError
from models.weights import open_arrays
from pipeline.data.index import build_index
from pipeline.data.splits import make_split
from pipeline.jobs import JobPaused, JobStopped
from pipeline.runs import RunInfo, RunNotFoundError, RunStore
from pipeline.training import fit
from pipeline.training.batches import TrainBatches
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import (
    ConfigError,
    DivergedError,
    NothingToResumeError,
    OutOfMemoryError,
    TooFewSlicesError,
)
from pipeline.training.plan import make_plan
from pipeline.training.train import resume, train
from pipeline.workspace import Workspace

pytestmark = pytest.mark.usefixtures("tiny")


def config(**options: object) -> TrainConfig:
    values = {"dataset": "discs", "image_size": 32, "batch_size": 8, "epochs": 3, "learning_rate": 3e-3}
    return make_config(values | options)


def newest(workspace: Workspace) -> RunInfo:
    return RunStore(workspace).list()[0]


def weights_of(run: RunInfo) -> dict[str, list[np.ndarray]]:
    """Return the best weights by layer."""
    with open_arrays(run.artifacts / "weights.weights.h5") as arrays:
        return {name: [array[()] for array in stored] for name, stored in arrays.items()}


class StopAt:
    """A progress whose user presses stop at a message that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            raise JobStopped


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the export and the predictions, where a test does not look at them."""
    from pipeline.training import outcome

    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


@pytest.fixture(scope="module")
def finished(prepared: Workspace, create_tiny: Callable[..., Any]) -> RunInfo:
    """One training that ran to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "create_model", create_tiny)
        train(prepared, config(epochs=30, name="finished"))
    return RunStore(prepared).find("finished")


@pytest.mark.parametrize(("batch", "momentum"), [(8, 0.9), (1, 1 - 2 / 54)])
def test_statistics_are_averaged_over_half_an_epoch_and_at_least_ten_batches(prepared, batch, momentum):
    plan = make_plan(prepared, config(batch_size=batch))
    assert len(plan.part("train")) == 54
    model = fit.build_model(prepared, plan, channels=1)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert layers and all(layer.momentum == pytest.approx(momentum) for layer in layers)


def test_a_run_leaves_the_files_of_the_contract(finished):
    assert finished.status == "finished"
    names = {
        str(path.relative_to(finished.artifacts)) for path in finished.artifacts.rglob("*") if path.is_file()
    }
    assert names >= {
        "config.json", "recipe.json", "split.json", "classes.json", "environment.json", "log.txt",
        "history.parquet", "weights.weights.h5", "seen.parquet", "engine/model.xml", "engine/model.bin",
        "engine/engine.json", "resume/state.npz",
    }  # fmt: skip
    assert finished.class_names == ["positive", "negative", "non-informative"]
    assert finished.params["dataset"] == "discs"
    assert finished.load_split()["name"] == "by-patient"


def test_it_learns_what_a_small_network_can_learn(finished):
    assert finished.metrics["best_val_auc"] > 0.95
    assert "Training" in (finished.artifacts / "log.txt").read_text()


def test_no_figure_of_the_test_part_is_logged(finished):
    assert not [name for name in finished.metrics if "test" in name]


def test_predictions_cover_each_part_once(finished, prepared):
    tables = {path.stem: pd.read_parquet(path) for path in finished.artifacts.glob("predictions/*.parquet")}
    assert {"train", "val", "test"} <= set(tables)  # too few patients here to calibrate on some
    everything = pd.concat(tables.values())
    assert len(everything) == everything["slice_id"].nunique() == 72
    assert all(set(table["part"]) == {part} for part, table in tables.items())
    probabilities = everything[[f"probability_{name}" for name in finished.class_names]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert set(everything["y_true"]) == set(finished.class_names)
    best = tables["val"]
    accuracy = (best["y_true"] == best["y_pred"]).mean()
    assert accuracy == pytest.approx(finished.metrics["best_val_accuracy"]), (
        "the exported weights are the best ones"
    )


def test_what_the_model_has_seen_is_kept(finished):
    seen = pd.read_parquet(finished.artifacts / "seen.parquet")
    assert {"slice_id", "content_hash", "perceptual_hash", "patient_id", "part"} <= set(seen)
    assert len(seen) == 72
    assert seen.groupby("patient_id")["part"].nunique().max() == 1


def test_history_is_a_table_and_in_mlflow(finished, prepared):
    table = pd.read_parquet(finished.artifacts / "history.parquet")
    logged = RunStore(prepared).history(finished.id)
    assert len(table) == len(logged) == int(finished.metrics["epoch"])
    np.testing.assert_allclose(table["val_loss"], logged["val_loss"])
    assert {"loss", "accuracy", "val_auc", "learning_rate", "seconds", "images_per_second"} <= set(table)


def test_a_stop_ends_cleanly_with_the_best_weights_exported(prepared):
    with pytest.raises(JobStopped, match="best weights .epoch 2. are exported"):
        train(prepared, config(epochs=9, name="stopped-3"), progress=StopAt("Epoch 3 of 9, batch 2"))
    run = RunStore(prepared).find("stopped-3")
    assert run.status == "stopped"
    assert (run.artifacts / "engine" / "model.xml").is_file()
    assert (run.artifacts / "predictions" / "test.parquet").is_file()
    assert len(pd.read_parquet(run.artifacts / "history.parquet")) == 2


def test_a_stop_in_the_first_epoch_leaves_a_model_too(prepared):
    with pytest.raises(JobStopped):
        train(prepared, config(name="stopped-1"), progress=StopAt("Epoch 1 of 3, batch 2"))
    assert (RunStore(prepared).find("stopped-1").artifacts / "engine" / "model.xml").is_file()


@pytest.mark.usefixtures("unexported")
def test_a_resumed_run_ends_as_one_that_was_never_stopped(prepared):
    train(prepared, config(epochs=4, name="whole"))
    with pytest.raises(JobStopped):
        train(prepared, config(epochs=4, name="parts"), progress=StopAt("Epoch 3 of 4, batch 1"))
    keras.utils.set_random_seed(99)  # another process has another state
    resume(prepared, RunStore(prepared).find("parts").id)
    whole, parts = (RunStore(prepared).find(name) for name in ("whole", "parts"))
    assert parts.status == "finished"
    columns = ["epoch", "loss", "val_loss", "val_auc", "learning_rate"]
    tables = [pd.read_parquet(run.artifacts / "history.parquet")[columns] for run in (whole, parts)]
    pd.testing.assert_frame_equal(*tables)
    ours, theirs = weights_of(parts), weights_of(whole)
    for name, arrays in theirs.items():
        for one, other in zip(ours[name], arrays, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("unexported")
def test_a_name_that_is_taken_is_numbered(finished, prepared):
    train(prepared, config(name="finished", epochs=1))
    assert newest(prepared).name == "finished-2"
    assert RunStore(prepared).find("finished").id == finished.id


def test_a_finished_run_is_not_resumed(finished, prepared):
    with pytest.raises(NothingToResumeError, match="is finished.*extend.*--weights run:"):
        resume(prepared, finished.id)


@pytest.mark.usefixtures("unexported")
def test_a_run_of_another_recipe_version_is_not_resumed(prepared):
    with pytest.raises(JobStopped):
        train(prepared, config(name="old-recipe"), progress=StopAt("Epoch 2 of 3, batch 1"))
    run = RunStore(prepared).find("old-recipe")
    split = json.loads((run.artifacts / "split.json").read_text())
    (run.artifacts / "split.json").write_text(json.dumps(split | {"recipe_hash": "another"}))
    with pytest.raises(NothingToResumeError, match="another version of the recipe"):
        resume(prepared, run.id)


@pytest.mark.usefixtures("unexported")
def test_early_stopping_counts_epochs_without_a_better_one(prepared):
    train(prepared, config(epochs=30, patience=2, monitor="val_accuracy", name="early"))
    run = RunStore(prepared).find("early")
    assert run.tags["ending"] == "early"
    assert run.metrics["epoch"] == run.metrics["best_epoch"] + 2 < 30


@pytest.mark.usefixtures("unexported")
def test_a_loss_that_is_no_number_names_the_batch(prepared, monkeypatch):
    original = TrainBatches.__getitem__

    def broken(self: TrainBatches, index: int):  # noqa: ANN202
        images, targets = original(self, index)
        return images, targets * (np.nan if self.epoch == 1 and index == 2 else 1)

    monkeypatch.setattr(TrainBatches, "__getitem__", broken)
    with pytest.raises(DivergedError, match="batch 3 of epoch 2.*best weights so far are kept.*0.0003"):
        train(prepared, config(name="diverged"))
    run = RunStore(prepared).find("diverged")
    assert run.status == "failed"
    assert "no longer a number" in (run.artifacts / "log.txt").read_text()


def test_too_little_memory_is_a_sentence_with_a_smaller_batch(prepared, monkeypatch):
    class ResourceExhaustedError(Exception):
        """What TensorFlow raises, by name."""

    def exhausted(*_: object, **__: object) -> None:
        raise ResourceExhaustedError("OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, "fit", exhausted)
    with pytest.raises(OutOfMemoryError, match="Try a batch of 4"):
        train(prepared, config())
    assert newest(prepared).status == "failed"


@pytest.mark.usefixtures("unexported")
def test_a_full_disk_pauses_with_its_sentence_and_is_resumed(prepared, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(JobPaused, match="disk is full.*is paused.*resume"):
            train(prepared, config(epochs=2, name="full"))
    run = RunStore(prepared).find("full")
    assert run.status == "paused"
    assert "disk is full" in (run.artifacts / "log.txt").read_text()
    assert not (run.artifacts / "resume" / "reserve").exists()
    resume(prepared, run.id)
    assert RunStore(prepared).find("full").status == "finished"


@pytest.mark.usefixtures("unexported")
def test_a_full_disk_that_hdf5_meets_pauses_too(prepared, monkeypatch):
    """The best weights are written by HDF5, which has words of its own for a full disk."""

    def full(*_: object, **__: object) -> None:
        raise OSError("Can't write data (file write failed, errno = 28, 'No space left on device')")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", full)
        with pytest.raises(JobPaused, match="disk is full.*is paused"):
            train(prepared, config(epochs=2, name="full-hdf5"))
    run = RunStore(prepared).find("full-hdf5")
    assert run.status == "paused"
    resume(prepared, run.id)
    assert RunStore(prepared).find("full-hdf5").status == "finished"


@pytest.mark.usefixtures("unexported")
def test_a_class_without_validation_slices_is_learnt_and_the_run_says_so(discs):
    """One positive patient is left, whom the split gives to training."""
    folder = discs.root.parent / "discs"
    labels = pd.read_csv(folder / "labels.csv")
    gone = (labels["label"] == "pCT") & (labels["patient_id"] != "pCT-0")
    for path in labels.loc[gone, "path"]:
        (folder / path).unlink()
    labels[~gone].to_csv(folder / "labels.csv", index=False)
    build_index(discs, folder, name="discs")
    make_split(discs, "discs", name="few")
    train(discs, config(split="few", epochs=1))
    assert newest(discs).class_names == ["positive", "negative", "non-informative"]
    assert "No slice of positive is in the validation part" in newest(discs).tags["note"]
    with pytest.raises(TooFewSlicesError, match="fewer than two classes.*--seed 1"):
        train(discs, config(split="few", classes=["positive", "negative"]))


@pytest.mark.usefixtures("unexported")
def test_classes_are_learnt_in_the_order_asked_for(prepared):
    train(prepared, config(classes=["negative", "positive"], epochs=1))
    assert newest(prepared).class_names == ["negative", "positive"]


def test_a_class_that_does_not_exist_is_named(prepared):
    with pytest.raises(TooFewSlicesError, match="class 'absent' has no slice in the part 'train'"):
        train(prepared, config(classes=["positive", "absent"]))


@pytest.mark.usefixtures("unexported")
def test_the_head_alone_learns_on_request(prepared):
    train(prepared, config(head_only=True, epochs=2, name="head"))
    train(prepared, config(head_only=True, epochs=1, learning_rate=1e-9, name="start"))
    learnt, start = (weights_of(RunStore(prepared).find(name)) for name in ("head", "start"))
    np.testing.assert_array_equal(learnt["first"][0], start["first"][0])
    assert not np.array_equal(learnt["logits"][0], start["logits"][0])


@pytest.mark.usefixtures("unexported")
def test_weights_of_another_run_come_with_its_head_only_for_the_same_classes(finished, prepared):
    still = {"weights": f"run:{finished.id[:8]}", "epochs": 1, "learning_rate": 1e-9, "weight_decay": 0.0}
    theirs = weights_of(finished)
    train(prepared, config(name="same", **still))
    ours = weights_of(RunStore(prepared).find("same"))
    np.testing.assert_allclose(ours["logits"][0], theirs["logits"][0], atol=1e-5)
    swapped = ["negative", "positive", "non-informative"]
    train(prepared, config(name="swapped", classes=swapped, **still))
    ours = weights_of(RunStore(prepared).find("swapped"))
    np.testing.assert_allclose(ours["first"][0], theirs["first"][0], atol=1e-5)
    assert not np.allclose(ours["logits"][0], theirs["logits"][0], atol=1e-2)


def test_weights_of_another_architecture_are_refused(finished, prepared):
    with pytest.raises(ConfigError, match="is a EfficientNetV2B0 and this training a ResNet50V2"):
        train(prepared, config(architecture="ResNet50V2", weights=f"run:{finished.id}"))


def test_weights_that_are_not_there_are_told_before_anything_begins(prepared):
    before = len(RunStore(prepared).list())
    with pytest.raises(WeightsError, match="none of these"):
        train(prepared, config(weights="magic"))
    with pytest.raises(WeightsError, match="does not exist"):
        train(prepared, config(weights="file:/nowhere.weights.h5"))
    with pytest.raises(RunNotFoundError, match="No run answers to 'nobody'"):
        train(prepared, config(weights="run:nobody"))
    assert len(RunStore(prepared).list()) == before


@pytest.mark.usefixtures("unexported")
def test_folds_validate_on_their_own_slices(discs):
    make_split(discs, "discs", name="folds", folds=3)
    val = []
    for fold in (0, 1):
        train(discs, config(split="folds", fold=fold, epochs=1))
        seen = pd.read_parquet(newest(discs).artifacts / "seen.parquet")
        val.append(set(seen.loc[seen["part"] == "val", "slice_id"]))
    assert val[0]
    assert not val[0] & val[1]
