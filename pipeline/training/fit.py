"""Building a model for a plan, and fitting it. Neutral of Keras's backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from models import create_model
from models.registry import HEAD_LAYERS
from models.weights import load_backbone_weights
from pipeline.cache.store import SliceCache
from pipeline.runs import RunStore
from pipeline.training.batches import EvalBatches, Part, TrainBatches
from pipeline.training.callbacks import Curves, EpochEnd, StopSwitch
from pipeline.training.checkpoint import FILE, TrainingState, load_state
from pipeline.training.config import TrainConfig
from pipeline.training.errors import OutOfMemoryError
from pipeline.training.journal import Journal
from pipeline.training.plan import BEST, Plan
from pipeline.workspace import Workspace

# Keras's 0.99 needs several hundred steps before validation sees the statistics of training; on the slices of
# one hospital that is most of a run.
NORMALIZATION_MOMENTUM = 0.9
LAST_RATE = 0.01  # where the cosine ends, as a share of the highest rate
_NOT_DECAYED = ["bias", "gamma", "beta"]


@dataclass(frozen=True)
class Fitted:
    """How a fit ended. `seconds` count epochs only, not what came before the first."""

    state: TrainingState
    stopped: bool
    ended_early: bool


def build_model(workspace: Workspace, plan: Plan, *, channels: int) -> Any:
    """Build the plan's model with its first weights, compiled.

    Raises:
        ModelError: weights that can't be had, a size that can't be.
        RunNotFoundError: `run:RUN` names none.
    """
    config = plan.config
    keras.utils.set_random_seed(config.seed)
    from_run = config.weights.startswith("run:")
    model = create_model(
        config.architecture,
        num_classes=len(plan.classes),
        image_size=config.image_size,
        channels=channels,
        dropout=config.dropout,
        weights="random" if from_run else config.weights,
        seed=config.seed,
    )
    if from_run:
        _take_weights_of_run(workspace, model, plan)
    if config.head_only:
        for layer in model.layers:
            layer.trainable = layer.name in HEAD_LAYERS
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, NORMALIZATION_MOMENTUM)
    return model


def compile_model(model: Any, config: TrainConfig, *, steps_per_epoch: int) -> None:
    """Give `model` its optimizer, schedule, loss and metrics."""
    optimizer = keras.optimizers.AdamW(
        _schedule(config, steps_per_epoch), weight_decay=config.weight_decay, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    # Variables that Keras would make while it traces the first step make it trace that step twice.
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )


def fit_model(model: Any, plan: Plan, cache: SliceCache, journal: Journal, progress: StopSwitch) -> Fitted:
    """Train until the last epoch, early stopping or the user's stop; from the run's checkpoint if it has one.

    Raises:
        DivergedError: the loss is no longer a number.
        OutOfMemoryError: the batch does not fit the machine.
    """
    config = plan.config
    batches = TrainBatches(_part(plan, cache, "train"), num_classes=len(plan.classes), config=config)
    validation = EvalBatches(
        _part(plan, cache, "val"), image_size=config.image_size, batch_size=batches.batch_size
    )
    journal.store.log_params(journal.run.id, {"steps_per_epoch": len(batches)})
    compile_model(model, config, steps_per_epoch=len(batches))
    checkpoint = journal.run.artifacts / FILE
    state = load_state(checkpoint, model) if checkpoint.is_file() else TrainingState()
    journal.restore(state.epoch)
    curves = Curves(batches, config, journal, progress)
    ending = EpochEnd(curves, validation, state)
    done = config.patience and state.waited >= config.patience
    if state.epoch < config.epochs and not done:
        with _memory_in_words(config):
            model.fit(
                batches,
                epochs=config.epochs,
                initial_epoch=state.epoch,
                shuffle=False,  # the batches have their own order
                callbacks=[curves, ending],
                verbose=0,
            )
    return Fitted(ending.state, stopped=progress.asked, ended_early=bool(done) or ending.ended_early)


def _schedule(config: TrainConfig, steps_per_epoch: int) -> Any:
    if config.schedule == "constant":
        return config.learning_rate
    total = config.epochs * steps_per_epoch
    warmup = min(int(config.warmup_epochs * steps_per_epoch), total // 2)
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10 if warmup else config.learning_rate,
        decay_steps=max(1, total - warmup),
        alpha=LAST_RATE if not warmup else LAST_RATE * 10,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _part(plan: Plan, cache: SliceCache, name: str) -> Part:
    rows = plan.part(name)
    return Part(cache.array, cache.rows(rows["slice_id"].tolist()), plan.labels(rows))


def _take_weights_of_run(workspace: Workspace, model: Any, plan: Plan) -> None:
    """Take another run's best weights: all of them for the same classes, else the backbone's."""
    run = RunStore(workspace).find(plan.config.weights.removeprefix("run:"))
    same_classes = tuple(run.class_names) == plan.classes
    load_backbone_weights(model, run.artifacts / BEST, with_head=same_classes)


@contextmanager
def _memory_in_words(config: TrainConfig) -> Iterator[None]:
    """Turn the backend's ways of saying that memory is out into a sentence with the way out."""
    try:
        yield
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        text = str(error)
        if not names & {"MemoryError", "ResourceExhaustedError"} and "RESOURCE_EXHAUSTED" not in text:
            raise
        smaller = max(1, config.batch_size // 2)
        raise OutOfMemoryError(
            f"The memory is too small for {config.architecture} at {config.image_size} pixels with "
            f"{config.batch_size} slices a batch. Try a batch of {smaller}, a smaller image size, or a "
            "smaller architecture; the run can be cloned with either changed."
        ) from error
