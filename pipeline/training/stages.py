"""The stages of a training as a function of its configuration: who learns, at which size, in which epochs.

Imports no Keras, so that a page can show them and a cost can be told before anything begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.training.config import TrainConfig


@dataclass(frozen=True)
class Stage:
    """Epochs in a row that learn the same weights at the same size.

    Attributes:
        learns: `head`: the backbone stays as it came; `body`: the head, and what `unfreeze` names.
        first: the first epoch, counted from 0.
        end: the epoch after its last.
        image_size: side of the training slices, pixels.
    """

    learns: Literal["head", "body"]
    first: int
    end: int
    image_size: int

    def __len__(self) -> int:
        return self.end - self.first


def stages_of(config: TrainConfig) -> tuple[Stage, ...]:
    """Return the stages in order; together they are all epochs.

    >>> config = TrainConfig(dataset="a", epochs=10, head_epochs=1, sizes=(96, 128), image_size=160)
    >>> [(stage.learns, stage.first, stage.end, stage.image_size) for stage in stages_of(config)]
    [('head', 0, 1, 160), ('body', 1, 4, 96), ('body', 4, 7, 128), ('body', 7, 10, 160)]
    """
    planned = config.planned_epochs or config.epochs
    head = planned if config.head_only else config.head_epochs
    sizes = (*config.sizes, config.image_size)
    left = planned - head
    bounds = [head + left * n // len(sizes) for n in range(len(sizes) + 1)]
    body = [
        Stage("body", first, end, size) for first, end, size in zip(bounds, bounds[1:], sizes, strict=False)
    ]
    stages = [stage for stage in [Stage("head", 0, head, config.image_size), *body] if len(stage)]
    stages[-1] = replace(stages[-1], end=config.epochs)  # epochs that were added later
    return tuple(stages)


def stage_of(config: TrainConfig, epoch: int) -> Stage:
    """Return the stage of an epoch counted from 0; an epoch past the end is the last stage's."""
    stages = stages_of(config)
    return next((stage for stage in stages if epoch < stage.end), stages[-1])


def phase_epochs(config: TrainConfig, learns: str) -> int:
    """Return how many epochs the head alone, or the body, learns: the length of its schedule.

    Epochs that were added later have a schedule of their own and do not count.
    """
    planned = config.planned_epochs or config.epochs
    return sum(min(stage.end, planned) - stage.first for stage in stages_of(config) if stage.learns == learns)


def peak_rate(config: TrainConfig, learns: str) -> float:
    """Return the highest learning rate of the head's or of the body's schedule."""
    return config.learning_rate * (config.fine_tune_factor if learns == "body" and config.head_epochs else 1)


def waited_epochs(config: TrainConfig, *, waited: int, epoch: int) -> int:
    """Return how many epochs count as waiting: early stopping looks at the last stage only.

    Epochs that were added are waited for anew.

    Args:
        waited: epochs since the best one.
        epoch: whole epochs done.
    """
    return min(waited, max(0, epoch - patience_begins(config)))


def patience_begins(config: TrainConfig) -> int:
    """Return the epochs after which early stopping begins to count: before, it never ends a training."""
    return max([stages_of(config)[-1].first, *(first for first, _ in config.extensions)])


def early_stop_in(config: TrainConfig, *, best: int, epoch: int) -> int | None:
    """Return after how many further epochs without a better one a training would end early.

    None where it never would: no patience was set, no epoch was best yet, or all epochs are done before.

    Args:
        best: the best epoch, counted from 1.
        epoch: whole epochs done.
    """
    ends = max(best, patience_begins(config)) + config.patience
    if not config.patience or not best or ends >= config.epochs:
        return None
    return max(0, ends - epoch)
