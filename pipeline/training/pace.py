"""How long a training takes: its epochs by multiplications over a speed, and what comes around them.

The speed is that of an earlier run here that did the same work. Where none did, it is a two-core reference's,
scaled by how much faster or slower than that reference another run was here: all times of one machine are
told in one measure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Literal

from models.registry import find_architecture
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.networks import BLOCKS, COSTS, learning_share
from pipeline.training.stages import Stage, stage_of, stages_of

AROUND_TAG = "hilum.around_seconds"  # what an uninterrupted training took beside its epochs and features
Speed = Literal["measured", "scaled", "reference"]
# Seconds for a billion multiplications, forward and back, on the two-core reference.
_SECONDS_A_BILLION = {"EfficientNetV2": 0.08, "ConvNeXt": 0.08, "ResNetV2": 0.045}
_VALIDATION_SHARE = 0.33  # a forward pass alone, of a training step
_OVERHEAD = 1.02  # batches, logging, checkpoints
# Of the reference too: from the start to the first step, for each block of a graph that learns, and from the
# last epoch to the end (export, predictions).
_START_SECONDS, _BLOCK_SECONDS, _END_SECONDS = 20.0, 1.0, 20.0
_READ = ("architecture", "image_size", "unfreeze", "head_only", "feature_copies", "head_epochs", "epochs")


@dataclass(frozen=True)
class Pace:
    """How fast a training goes.

    Attributes:
        step: seconds of a step of the whole network on one slice of the full size.
        around: seconds beside epochs and features.
        speed: `measured`: of the same work here; `scaled`: the reference's by other work here; `reference`.
    """

    step: float
    around: float
    speed: Speed


def pace_of(config: TrainConfig, runs: Iterable[RunInfo]) -> Pace:
    """Return the pace that is to be expected of a training.

    Args:
        runs: finished ones of this workspace, newest first.
    """
    here = [(run, done) for run in runs if (done := _config_of(run)) is not None]
    steps = [(done, step) for run, done in here if (step := _measured_step(run, done)) is not None]
    reference = _reference_step(config)
    around = next((ratio for run, done in here if (ratio := _around_ratio(run, done)) is not None), 1.0)
    around *= _reference_around(config)
    if not steps:
        return Pace(_OVERHEAD * reference, around, "reference")
    done, step = max(steps, key=lambda each: _likeness(each[0], config))  # of equals the first, the newest
    speed: Speed = "measured" if _likeness(done, config) == 2 else "scaled"
    return Pace(_OVERHEAD * reference * step / _reference_step(done), around, speed)


def stage_share(config: TrainConfig, stage: Stage, *, train: int, val: int) -> float:
    """Return the time of a stage, in steps of a whole network on one slice of the full size.

    Where features of a frozen backbone are kept, it runs once over them and an epoch is next to nothing.
    """
    if stage.learns == "head" and config.feature_copies:
        copies = 1 if config.augment.is_none else config.feature_copies
        return _VALIDATION_SHARE * (copies * train + val)
    return len(stage) * epoch_share(config, stage, train=train, val=val)


def epoch_share(config: TrainConfig, stage: Stage, *, train: int, val: int) -> float:
    """Return the time of one epoch of a stage with its validation, in the same measure."""
    if stage.learns == "head" and config.feature_copies:
        return stage_share(config, stage, train=train, val=val) / len(stage)
    return _step_share(config, stage) * train + _VALIDATION_SHARE * val


def around_seconds(
    elapsed: float, epochs: Sequence[Mapping[str, float]], config: TrainConfig, *, features: float
) -> float:
    """Return what a training took beside its epochs, each counted as its stage's usual one.

    A stage's first epoch builds graphs, which belongs to what comes around.

    Args:
        elapsed: seconds in all.
        epochs: `epoch` (from 1) and `seconds` of each.
        features: seconds in which those of a frozen backbone were computed.
    """
    stages = groupby(epochs, key=lambda row: stage_of(config, int(row["epoch"]) - 1).first)
    rows = [[row["seconds"] for row in group] for _, group in stages]
    return max(0.0, elapsed - features - sum(len(seconds) * median(seconds) for seconds in rows))


def _step_share(config: TrainConfig, stage: Stage) -> float:
    """Return the time of a step on one slice as a share of that of the whole network at the full size."""
    learning = 0.0 if stage.learns == "head" else learning_share(config)
    area = (stage.image_size / config.image_size) ** 2
    return (_VALIDATION_SHARE + (1 - _VALIDATION_SHARE) * learning) * area


def _reference_step(config: TrainConfig) -> float:
    """Return the seconds of a whole step on one slice on the reference."""
    architecture = find_architecture(config.architecture)
    area = (config.image_size / 224) ** 2
    return COSTS[architecture.name][1] * area * _SECONDS_A_BILLION[architecture.family]


def _reference_around(config: TrainConfig) -> float:
    learning = sum(stage.learns == "body" for stage in stages_of(config))
    graphs = learning * _BLOCK_SECONDS * BLOCKS[find_architecture(config.architecture).name]
    return _START_SECONDS + graphs + _END_SECONDS


def _config_of(run: RunInfo) -> TrainConfig | None:
    """Return what of a run's configuration costs time; None of one trained elsewhere, or not understood."""
    if run.tags.get("demo") == "true" or run.params.get("architecture") not in COSTS:
        return None
    values: dict[str, object] = {key: run.params[key] for key in _READ if key in run.params}
    try:
        sizes = json.loads(run.params.get("sizes", "[]"))
        return TrainConfig.model_validate({"dataset": "any", "sizes": sizes} | values)
    except ValueError:
        return None


def _measured_step(run: RunInfo, config: TrainConfig) -> float | None:
    """Return the seconds of a whole step of a run, None where its pace tells nothing of the backbone."""
    rate = run.metrics.get("images_per_second", 0.0)
    if rate <= 0 or (config.head_only and config.feature_copies):
        return None
    return 1 / (rate * _step_share(config, stages_of(config)[-1]))


def _around_ratio(run: RunInfo, config: TrainConfig) -> float | None:
    """Return how many times longer than the reference's a run's start and end took."""
    text = run.tags.get(AROUND_TAG)
    return None if text is None else float(text) / _reference_around(config)


def _likeness(done: TrainConfig, config: TrainConfig) -> int:
    """Return 2 where a run did the same work but for the image size, 1 where as much learnt, else 0."""
    if (done.unfreeze, done.head_only) != (config.unfreeze, config.head_only):
        return 0
    return 2 if done.architecture == config.architecture else 1
