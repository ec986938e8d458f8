"""Building a model for a plan, and fitting it. Neutral of Keras's backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from models import create_model
from models.weights import load_backbone_weights
from pipeline.cache.store import SliceCache
from pipeline.runs import RunStore
from pipeline.training.batches import EvalBatches, Part, TrainBatches
from pipeline.training.callbacks import Curves, EpochEnd, is_patience_over
from pipeline.training.checkpoint import (
    FILE,
    Fitted,
    TrainingState,
    load_state,
    put_best_back,
    read_state,
)
from pipeline.training.config import TrainConfig
from pipeline.training.ema import take_average
from pipeline.training.errors import OutOfMemoryError
from pipeline.training.head_stage import fit_head
from pipeline.training.journal import Journal
from pipeline.training.keeping import fit_on
from pipeline.training.learner import Learner
from pipeline.training.memory import is_shortage, plan_after_shortage, shortage_sentence
from pipeline.training.plan import BEST, Plan, check_digest
from pipeline.training.share import ALONE, Share
from pipeline.training.stages import Stage, stage_of, stages_of
from pipeline.training.switch import StopSwitch
from pipeline.workspace import Workspace

# Batches that the statistics of batch normalisation are averaged over: Keras's usual 0.99 as momentum, a
# hundred, takes several hundred steps before validation sees those of training, on the few hundred slices of
# one hospital most of a run; 0.9 is at the mercy of the last ten batches, and where slices of two kinds are
# mixed, such as lungs alone and whole slices, each validation is of another network.
FEWEST_BATCHES, MOST_BATCHES = 10, 100


def build_model(workspace: Workspace, plan: Plan, *, channels: int, began: bool = False) -> Any:
    """Build the plan's model with its first weights.

    Args:
        began: a checkpoint will give it its weights, so the first ones need not be there any more.

    Raises:
        ModelError: weights that can't be had or are no longer the same, a size that can't be.
        RunNotFoundError: `run:RUN` names none.
    """
    config = plan.config
    keras.utils.set_random_seed(config.seed)
    from_run = config.weights.startswith("run:")
    if not began:
        check_digest(workspace, config)
    model = create_model(
        config.architecture,
        num_classes=len(plan.classes),
        image_size=config.image_size,
        channels=channels,
        dropout=config.dropout,
        weights="random" if from_run or began else config.weights,
        seed=config.seed,
        drop_path=config.drop_path,
        mixed_precision=config.mixed_precision,
    )
    if from_run and not began:
        _take_weights_of_run(workspace, model, plan)
    momentum = normalization_momentum(len(plan.part("train")) / config.batch_size)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    return model


def normalization_momentum(steps: float) -> float:
    """Return the momentum that averages statistics over half an epoch of so many steps, within bounds.

    >>> normalization_momentum(8), normalization_momentum(100), normalization_momentum(10_000)
    (0.9, 0.98, 0.99)
    """
    return 1 - 1 / min(max(steps / 2, FEWEST_BATCHES), MOST_BATCHES)


def compile_model(model: Any, config: TrainConfig, *, steps_per_epoch: int) -> None:
    """Give `model` the optimizer, schedule, loss and metrics of its last stage."""
    Learner(model, config, steps_per_epoch=steps_per_epoch).enter(stages_of(config)[-1])


def fit_model(
    model: Any, plan: Plan, cache: SliceCache, journal: Journal, progress: StopSwitch, share: Share = ALONE
) -> Fitted:
    """Train until the last epoch, early stopping or the user's stop; from the run's checkpoint if it has one.

    The processes of a group all call it, each with its share; the journal of one of them writes.

    Raises:
        DivergedError: the loss is no longer a number.
        OutOfMemoryError: the batch does not fit the machine.
    """
    config = plan.config
    part = _part(plan, cache, "train")
    batches = _batches(part, plan, config.image_size, share)
    validation = EvalBatches(
        _part(plan, cache, "val"), image_size=config.image_size, batch_size=batches.batch_size
    )
    journal.parameters({"steps_per_epoch": len(batches)})
    learner = Learner(model, config, steps_per_epoch=len(batches))
    state = _restore(learner, config, journal)
    curves = Curves(batches, config, journal, progress, plan.part("train")["slice_id"].tolist())
    ending = EpochEnd(curves, validation, state, model, share)
    ended_early = is_patience_over(config, state)
    for stage in stages_of(config):
        if stage.end <= state.epoch or ended_early or progress.asked:
            continue
        curves.batches = _batches(part, plan, stage.image_size, share)
        journal.say(_told(stage, config))
        with _memory_in_words(config):
            entered = learner.enter(stage)
            if stage.learns == "head" and config.feature_copies:
                ending.state, ending.ended_early = fit_head(
                    entered, stage, plan, cache, curves, validation=validation.part, state=ending.state
                )
                ended_early = ending.ended_early
                continue
            curves.first = state.step if state.epoch >= stage.first else 0
            fit_on(
                entered,
                curves.batches,
                path=journal.run.artifacts / FILE,
                state=lambda: ending.state,
                first_epoch=stage.first,
                end=stage.end,
                callbacks=[curves, ending],
                told=curves.take_means,
            )
        ended_early = ending.ended_early
    return Fitted(ending.state, stopped=progress.asked, ended_early=ended_early)


def exportable(model: Any, plan: Plan, *, channels: int) -> Any:
    """Return a model for the run's best weights that computes in float32 throughout: `model`, or another.

    Args:
        model: that was fitted; None where a cluster did that.
    """
    if model is not None and not plan.config.mixed_precision:
        return model
    config = plan.config
    return create_model(
        config.architecture,
        num_classes=len(plan.classes),
        image_size=config.image_size,
        channels=channels,
        dropout=config.dropout,
        seed=config.seed,
    )


def _restore(learner: Learner, config: TrainConfig, journal: Journal) -> TrainingState:
    """Bring weights, optimizer and history to where the run's checkpoint stands, if it has one."""
    path = journal.run.artifacts / FILE
    state = read_state(path)
    if state.epoch or state.step:
        # The optimizer in the file is that of the last whole epoch, or of the one that was running.
        done = stage_of(config, state.epoch - (state.step == 0))
        model = learner.enter(done)
        load_state(path, model)
        if journal.writes:
            put_best_back(path, state)
        if state.epoch == done.end:
            take_average(model)  # as Keras does at the end of each fit: the next stage begins from it
    journal.restore(state)
    return state


def _batches(part: Part, plan: Plan, image_size: int, share: Share) -> TrainBatches:
    config = plan.config.model_copy(update={"image_size": image_size})
    return TrainBatches(part, num_classes=len(plan.classes), config=config, share=share)


def _told(stage: Stage, config: TrainConfig) -> str:
    what = "the head alone" if stage.learns == "head" else "head and backbone"
    if stage.learns == "body" and config.unfreeze != "all":
        what = f"the head and the {config.unfreeze} topmost blocks"
    span = f"Epochs {stage.first + 1} to {stage.end} train" if len(stage) > 1 else f"Epoch {stage.end} trains"
    text = f"{span} {what} at {stage.image_size} pixels."
    if config.mixed_precision and not _accelerated():
        text += " Mixed precision does not pay here: there is no GPU."
    return text


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
        if not is_shortage(error):
            raise
        plan = plan_after_shortage(config, on_gpu=_accelerated())
        raise OutOfMemoryError(shortage_sentence(config, plan)) from error


def _accelerated() -> bool:
    """Whether the network is computed on something else than an ordinary processor."""
    return not all(device.lower().startswith("cpu") for device in keras.distribution.list_devices())
