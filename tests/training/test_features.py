"""The head on cached features: it learns what it would through the backbone, and resumes bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from models.weights import open_arrays
from pipeline.cache.build import build_cache
from pipeline.cache.store import SliceCache, cache_folder
from pipeline.jobs import JobStopped
from pipeline.preprocessing.recipe import PRESETS
from pipeline.runs import RunInfo, RunStore
from pipeline.training import features as room
from pipeline.training.augment import draw_changes, network_slice
from pipeline.training.batches import Part
from pipeline.training.config import Augmentation, TrainConfig, make_config
from pipeline.training.features import Features, compute_features
from pipeline.training.head_stage import FeatureBatches, build_feature_head
from pipeline.training.train import resume, train
from pipeline.workspace import Workspace

NONE = Augmentation.none().model_dump()


def config(**options: object) -> TrainConfig:
    values = {"dataset": "discs", "image_size": 32, "batch_size": 8, "learning_rate": 3e-3, "head_only": True}
    return make_config(values | options)


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import outcome

    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


@pytest.fixture
def cache(prepared: Workspace) -> SliceCache:
    return build_cache(prepared, "discs", PRESETS["hilum"])


@pytest.fixture
def model(create_tiny: Any) -> Any:
    return create_tiny("tiny", num_classes=3, image_size=32, channels=1, dropout=0.3, seed=0)


def weights_of(run: RunInfo) -> dict[str, list[np.ndarray]]:
    with open_arrays(run.artifacts / "weights.weights.h5") as arrays:
        return {name: [array[()] for array in stored] for name, stored in arrays.items()}


def history_of(run: RunInfo) -> pd.DataFrame:
    columns = ["epoch", "loss", "val_loss", "val_auc", "learning_rate"]
    return pd.read_parquet(run.artifacts / "history.parquet")[columns]


class Quiet:
    """A progress that counts, and stops after some calls."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls, self.stop_after = 0, stop_after

    def __call__(self, done: int, total: int, message: str = "") -> None:
        self.calls += 1
        if self.calls == self.stop_after:
            raise JobStopped


def compute(model: Any, cache: SliceCache, folder: Path, progress: Quiet, **options: object) -> Features:
    rows = np.arange(40)
    chosen = config(feature_copies=2, **options)
    return compute_features(
        model, cache, chosen, folder=folder, train_rows=rows, plain_rows=rows[:24], progress=progress
    )


def test_features_are_those_of_the_slices_and_their_copies(model, cache, tmp_path):
    found = compute(model, cache, tmp_path, Quiet())
    backbone = keras.Model(model.inputs, model.get_layer("pooled").output)
    plain = np.stack([network_slice(cache.array[row], None, image_size=32) for row in range(24)])
    np.testing.assert_allclose(found.plain[:24], backbone.predict_on_batch(plain), rtol=1e-4, atol=1e-5)
    changes = draw_changes(Augmentation(), count=len(cache.array), size=cache.size, seed=0, epoch=1)
    moved = np.stack([network_slice(cache.array[row], changes[row], image_size=32) for row in range(40)])
    np.testing.assert_allclose(found.copies[1][:40], backbone.predict_on_batch(moved), rtol=1e-4, atol=1e-5)
    assert len(found.copies) == 2
    assert not found.copies[0][40:].any(), "what nobody asked for is not computed"


def test_they_are_computed_once_and_a_stop_costs_a_batch(model, cache, tmp_path, monkeypatch):
    seen: list[int] = []
    original = room.network_slice

    def counting(image: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
        seen.append(1)
        return original(image, *arguments, **options)

    monkeypatch.setattr(room, "network_slice", counting)
    with pytest.raises(JobStopped):
        compute(model, cache, tmp_path, Quiet(stop_after=3))
    before = len(seen)
    first = compute(model, cache, tmp_path, Quiet())
    assert before < len(seen) <= 24 + 2 * 40 + room.FEATURE_BATCH
    seen.clear()
    again = compute(model, cache, tmp_path, Quiet())
    assert not seen
    np.testing.assert_array_equal(first.copies[0], again.copies[0])


def test_other_weights_sizes_seeds_and_augmentation_are_other_files(model, cache, tmp_path):
    def files() -> set[str]:
        return {path.name for path in tmp_path.glob("*.npy")}

    compute(model, cache, tmp_path, Quiet())
    first = files()
    assert len(first) == 3
    compute(model, cache, tmp_path, Quiet(), seed=1)
    compute(model, cache, tmp_path, Quiet(), augment={"rotation": 3})
    assert len(files()) == 7, "the plain look is shared"
    kernel = model.get_layer("first").kernel
    kernel.assign(kernel + 0.01)
    compute(model, cache, tmp_path, Quiet(), augment=NONE)
    assert len(files()) == 8


def test_the_head_of_features_is_the_models_own(model):
    slices = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    pooled = keras.Model(model.inputs[0], model.get_layer("pooled").output)(slices)
    np.testing.assert_allclose(build_feature_head(model)(pooled), model(slices), rtol=1e-5)


def test_batches_hold_the_features_of_their_slices_and_repeat():
    labels = np.array([0, 0, 0, 1, 1, 2])
    part = Part(np.zeros((10, 8, 8), np.uint8), np.arange(2, 8), labels)
    copies = [np.stack([np.arange(10.0), np.full(10, copy)], axis=1).astype(np.float32) for copy in range(3)]
    batches = FeatureBatches(
        Features(copies[0], copies), part, num_classes=3, config=config(batch_size=9, balance="augment")
    )
    batches.set_epoch(4)
    features, targets = batches[0]
    np.testing.assert_array_equal(labels[features[:, 0].astype(int) - 2], targets.argmax(axis=1))
    assert np.bincount(targets.argmax(axis=1)).tolist() == [3, 3, 3]
    assert len(np.unique(features[:, 1])) > 1
    batches.set_epoch(5)
    assert not np.array_equal(features, batches[0][0])
    batches.set_epoch(4)
    np.testing.assert_array_equal(features, batches[0][0])


@pytest.mark.usefixtures("tiny", "unexported")
def test_it_learns_what_it_would_through_the_backbone(prepared):
    for name, copies in (("through", 0), ("cached", 4)):
        train(prepared, config(name=name, feature_copies=copies, augment=NONE, epochs=6))
    through, cached = (RunStore(prepared).find(name) for name in ("through", "cached"))
    ours, theirs = history_of(cached), history_of(through)
    np.testing.assert_allclose(ours["val_loss"], theirs["val_loss"], rtol=0.02)
    np.testing.assert_allclose(ours["learning_rate"], theirs["learning_rate"])
    for name, arrays in weights_of(through).items():
        for one, other in zip(weights_of(cached)[name], arrays, strict=True):
            np.testing.assert_allclose(one, other, rtol=0.05, atol=0.02)


@pytest.mark.usefixtures("tiny", "unexported")
def test_a_stopped_head_goes_on_bit_for_bit_even_without_the_features(prepared, monkeypatch):
    from pipeline.training import keeping

    monkeypatch.setattr(keeping, "SHARE", 1e9)  # a checkpoint after every epoch

    class StopAt(Quiet):
        def __call__(self, done: int, total: int, message: str = "") -> None:
            if "Epoch 3 of 6, batch 2" in message:
                raise JobStopped

    options = {"epochs": 6, "patience": 0, "ema": 0.9}
    train(prepared, config(name="head-whole", **options))
    with pytest.raises(JobStopped):
        train(prepared, config(name="head-parts", **options), progress=StopAt())
    parts = RunStore(prepared).find("head-parts")
    assert len(history_of(parts)) == 2
    for path in cache_folder(prepared, "discs", PRESETS["hilum"]).glob("features-*"):
        path.unlink()
    resume(prepared, parts.id)
    whole, parts = (RunStore(prepared).find(name) for name in ("head-whole", "head-parts"))
    pd.testing.assert_frame_equal(history_of(whole), history_of(parts))
    assert whole.metrics["best_epoch"] == parts.metrics["best_epoch"]
    ours, theirs = weights_of(parts), weights_of(whole)
    for name, arrays in theirs.items():
        for one, other in zip(ours[name], arrays, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("tiny", "unexported")
def test_the_first_of_two_stages_learns_on_features_and_the_backbone_after_it(prepared):
    train(prepared, config(name="two-stages", head_only=False, head_epochs=3, epochs=5, patience=0))
    run = RunStore(prepared).find("two-stages")
    assert history_of(run)["epoch"].tolist() == [1, 2, 3, 4, 5]
    rates = history_of(run)["learning_rate"]
    assert rates[3] < rates[:3].max()


@pytest.mark.usefixtures("tiny", "unexported")
def test_a_stop_while_features_are_computed_ends_the_run_without_an_epoch(prepared):
    class Stop(Quiet):
        def __call__(self, done: int, total: int, message: str = "") -> None:
            if message.startswith("Features of the frozen backbone"):
                raise JobStopped

    with pytest.raises(JobStopped):
        train(prepared, config(name="early-stop", epochs=3, seed=77), progress=Stop())
    run = RunStore(prepared).find("early-stop")
    assert run.status == "stopped"
    resume(prepared, run.id)
    assert len(history_of(RunStore(prepared).find("early-stop"))) == 3
