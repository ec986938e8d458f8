"""Stages: what learns in each, with which average and rate; and a resume in any of them changes nothing."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from models.weights import open_arrays
from pipeline.jobs import JobStopped
from pipeline.runs import RunInfo, RunStore
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.ema import averaged
from pipeline.training.learner import Learner, resized
from pipeline.training.schedule import build_optimizer
from pipeline.training.stages import stages_of
from pipeline.training.train import resume, train
from pipeline.workspace import Workspace

EVERYTHING = {
    "epochs": 6, "head_epochs": 2, "sizes": [32], "image_size": 40, "batch_size": 8, "accumulate": 3,
    "ema": 0.8, "learning_rate": 1e-2, "fine_tune_factor": 0.5, "label_smoothing": 0.1, "patience": 0,
}  # fmt: skip


def config(**options: object) -> TrainConfig:
    return make_config({"dataset": "discs", "image_size": 32, **options})


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import outcome

    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


class StopAt:
    """A progress whose user presses stop at a message that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            raise JobStopped


def arrays_of(run: RunInfo) -> list[np.ndarray]:
    """Return the best weights, and everything that the last checkpoint holds but seconds."""
    with open_arrays(run.artifacts / "weights.weights.h5") as stored:
        best = [array[()] for name in sorted(stored) for array in stored[name]]
    with np.load(run.artifacts / "resume/state.npz") as file:
        return best + [file[name] for name in sorted(file.files) if name != "state"]


@pytest.fixture(scope="module")
def whole(prepared: Workspace, create_tiny: Any) -> RunInfo:
    """A training with every step of a recipe, that nothing interrupted."""
    from pipeline.training import fit, outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "create_model", create_tiny)
        patch.setattr(outcome, "write_outcome", lambda *_: None)
        train(prepared, config(name="whole-stages", **EVERYTHING))
    return RunStore(prepared).find("whole-stages")


def test_the_log_tells_the_stages(whole):
    log = (whole.artifacts / "log.txt").read_text()
    for sentence in (
        "Epochs 1 to 2 train the head alone at 40 pixels",
        "Epochs 3 to 4 train head and backbone at 32 pixels",
        "Epochs 5 to 6 train head and backbone at 40 pixels",
    ):
        assert sentence in log


@pytest.mark.usefixtures("tiny", "unexported")
@pytest.mark.parametrize(
    "moment",
    ["Epoch 3 of 6, batch 1", "Epoch 4 of 6, batch 3", "Epoch 5 of 6, batch 1"],
)
def test_a_resume_in_any_stage_ends_as_what_was_never_stopped(whole, prepared, moment):
    """Right after the head's stage, within the next, right after the size rises."""
    name = "parts-" + moment[6] + "-" + moment[-1]
    with pytest.raises(JobStopped):
        train(prepared, config(name=name, **EVERYTHING), progress=StopAt(moment))
    keras.utils.set_random_seed(99)  # another process has another state
    resume(prepared, RunStore(prepared).find(name).id)
    parts = RunStore(prepared).find(name)
    columns = ["epoch", "loss", "val_loss", "val_auc", "learning_rate"]
    tables = [pd.read_parquet(run.artifacts / "history.parquet")[columns] for run in (whole, parts)]
    pd.testing.assert_frame_equal(*tables)
    for one, other in zip(arrays_of(parts), arrays_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def discs(count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, 32, 32, 1)).astype(np.float32), np.eye(3)[rng.integers(0, 3, count)]


@pytest.fixture
def model(create_tiny: Any) -> Any:
    return create_tiny("a", num_classes=3, image_size=32, channels=1, dropout=0.0, seed=0)


def test_another_size_shares_the_weights(model):
    larger = resized(model, 48)
    assert larger.input_shape == (None, 48, 48, 1)
    assert all(one is other for one, other in zip(larger.variables, model.variables, strict=True))
    assert resized(model, 32) is model


def test_the_optimizer_goes_on_over_a_change_of_size_and_begins_anew_with_other_weights(model):
    steps = {"epochs": 6, "head_epochs": 2, "sizes": (32,), "image_size": 48}
    learner = Learner(resized(model, 48), config(**steps), steps_per_epoch=3)
    optimizers, fitted = zip(
        *[((entered := learner.enter(stage)).optimizer, entered) for stage in stages_of(config(**steps))],
        strict=True,
    )
    head, small, large = optimizers
    assert small is large is not head
    assert [each.input_shape[1] for each in fitted] == [48, 32, 48]


@pytest.mark.parametrize(("options", "learning"), [
    ({"head_epochs": 1}, {"head"}),
    ({}, {"head", "block1a", "block6h"}),
    ({"unfreeze": 1}, {"head", "block6h"}),
])  # fmt: skip
@pytest.mark.parametrize("freeze_norm", [False, True])
def test_what_does_not_learn_runs_as_in_prediction(options, learning, freeze_norm):
    """Three blocks of the real names: which weights, statistics and dropped paths move in the first stage."""
    from models.head import build_head

    layers = keras.layers
    x = image = keras.Input((32, 32, 1), name="image")
    for name in ("block1a", "block6h"):
        x = layers.Conv2D(4, 3, padding="same", name=f"{name}_conv")(x)
        x = layers.BatchNormalization(momentum=0.5, name=f"{name}_bn")(x)
        x = layers.Dropout(0.5, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    x = layers.Activation("linear", name="features")(x)
    built = keras.Model(image, build_head(x, num_classes=3, dropout=0.0))
    told = config(**options, epochs=4, freeze_norm=freeze_norm)
    fitted = Learner(built, told, steps_per_epoch=2).enter(stages_of(told)[0])
    before = {weight.path: np.asarray(weight) for weight in built.weights}
    x, y = discs(8)
    fitted.fit(x, y, epochs=1, verbose=0)
    moved = {
        weight.path.split("/")[0]
        for weight in built.weights
        if not np.array_equal(before[weight.path], np.asarray(weight))
    }
    blocks = learning - {"head"}
    expected = {f"{block}_conv" for block in blocks} | {"head_normalization", "logits"}
    expected |= set() if freeze_norm else {f"{block}_bn" for block in blocks}
    assert moved == expected
    dropped = {layer.name[:7] for layer in built.layers if layer.name.endswith("_drop") and layer.rate}
    assert dropped == blocks


def test_the_average_is_that_of_the_weights_after_each_step_and_is_lent_only(model):
    """Against an average taken by hand, with gradients of two batches a step."""
    told = config(epochs=1, ema=0.9, accumulate=2, schedule="constant", dropout=0.0)
    fitted = Learner(model, told, steps_per_epoch=8).enter(stages_of(told)[0])
    kernel = model.get_layer("first").kernel
    x, y = discs(64)
    mean = None
    for step in range(8):
        fitted.train_on_batch(x[step * 8 : step * 8 + 8], y[step * 8 : step * 8 + 8])
        own = np.asarray(kernel)
        # Keras starts the average anew until the first step is made, at every second batch here
        mean = own if step < 2 else math.sqrt(0.9) * mean + (1 - math.sqrt(0.9)) * own
    before = [np.asarray(variable) for variable in fitted.variables]
    with averaged(fitted):
        np.testing.assert_allclose(np.asarray(kernel), mean, atol=1e-6)
        assert not np.allclose(np.asarray(kernel), own, atol=1e-6)
    for variable, value in zip(fitted.variables, before, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), value)


def test_gradients_of_small_batches_make_the_step_of_a_large_one(create_tiny):
    """Without batch statistics, which differ between the batches: the head's normalisation is frozen."""
    x, y = discs(24)
    kernels = []
    for batch, accumulate in ((24, 1), (8, 3)):
        built = create_tiny("a", num_classes=3, image_size=32, channels=1, dropout=0.0, seed=0)
        told = config(epochs=1, accumulate=accumulate, schedule="constant", learning_rate=1e-2)
        built.get_layer("head_normalization").trainable = False
        fitted = Learner(built, told, steps_per_epoch=1).enter(stages_of(told)[0])
        for first in range(0, 24, batch):
            fitted.train_on_batch(x[first : first + batch], y[first : first + batch])
        kernels.append(np.asarray(built.get_layer("first").kernel))
        assert int(fitted.optimizer.iterations) == 1
    np.testing.assert_allclose(kernels[0], kernels[1], atol=2e-5)


def _rates(told: TrainConfig, learns: str, steps: int) -> list[float]:
    rate = build_optimizer(told, learns, steps_per_epoch=steps)._learning_rate
    epochs = told.head_epochs if learns == "head" else told.epochs - told.head_epochs
    return [float(rate(step)) for step in range(epochs * steps + 1)]


def test_each_stage_warms_up_and_falls_by_itself():
    told = config(epochs=12, head_epochs=4, learning_rate=1e-2, fine_tune_factor=0.1, warmup_epochs=1.0)
    head, body = _rates(told, "head", 5), _rates(told, "body", 5)
    assert max(head) == pytest.approx(1e-2) and max(body) == pytest.approx(1e-3)
    assert head.index(max(head)) == 5 and body.index(max(body)) == 5
    assert head[-1] == pytest.approx(1e-4) and body[-1] == pytest.approx(1e-5)
    assert body[0] == pytest.approx(1e-4)


def test_biases_and_scales_do_not_decay(model):
    told = config(weight_decay=0.5, learning_rate=1e-2, schedule="constant")
    fitted = Learner(model, told, steps_per_epoch=1).enter(stages_of(told)[0])
    decayed = {v.path for v in fitted.trainable_variables if fitted.optimizer._use_weight_decay(v)}
    assert decayed == {"first/kernel", "second/kernel", "logits/kernel"}


def test_the_notebook_has_no_schedule_decay_or_clipping(model):
    told = config(preset="notebook", image_size=32)
    optimizer = Learner(model, told, steps_per_epoch=1).enter(stages_of(told)[0]).optimizer
    assert type(optimizer) is keras.optimizers.Adam
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (None, None)
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.usefixtures("tiny", "unexported")
def test_early_stopping_does_not_end_a_stage_before_the_last(prepared):
    options = EVERYTHING | {"patience": 1, "epochs": 9, "learning_rate": 1e-9}
    train(prepared, config(name="patient", **options))
    run = RunStore(prepared).find("patient")
    assert run.tags["ending"] == "early"
    assert run.metrics["epoch"] == stages_of(config(**options))[-1].first + 1 == 6
