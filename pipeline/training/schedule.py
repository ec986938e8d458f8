"""The optimizer of a stage, and how its learning rate goes. Neutral of Keras's backend."""

from __future__ import annotations

import math
from typing import Any

import keras

from pipeline.training.config import TrainConfig
from pipeline.training.rates import EXTENDED_RATE, LAST_RATE
from pipeline.training.stages import peak_rate, phase_epochs, stages_of

_NOT_DECAYED = ["bias", "gamma", "beta"]


def build_optimizer(config: TrainConfig, learns: str, *, steps_per_epoch: int) -> Any:
    """Build the optimizer for the epochs in which `learns` (the head, or the body) learns."""
    options: dict[str, Any] = {
        "learning_rate": build_schedule(config, learns, steps_per_epoch=steps_per_epoch),
        "global_clipnorm": config.clip_norm or None,
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
        "use_ema": config.ema > 0,
        # Keras takes the average at every batch, those that only gather gradients too.
        "ema_momentum": config.ema ** (1 / config.accumulate),
    }
    if config.optimizer == "adam":
        return keras.optimizers.Adam(**options)
    optimizer = keras.optimizers.AdamW(weight_decay=config.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def build_schedule(config: TrainConfig, learns: str, *, steps_per_epoch: int) -> Any:
    """Return the learning rate as a function of the batch, counted from the first epoch that `learns` learns.

    `cosine` rises from a tenth to the highest rate in the warm-up, then falls to a hundredth; the warm-up
    takes half of the batches at most. Epochs that were added later follow `ExtendedSchedule`.
    """
    schedule = _planned_schedule(config, learns, steps_per_epoch=steps_per_epoch)
    last = stages_of(config)[-1]
    if not config.extensions or config.schedule == "constant" or last.learns != learns:
        return schedule
    offset = next(stage.first for stage in stages_of(config) if stage.learns == learns)
    spans = [
        ((first - offset) * steps_per_epoch, (end - offset) * steps_per_epoch)
        for first, end in config.extensions
    ]
    return ExtendedSchedule(schedule, peak_rate(config, learns), spans)


def _planned_schedule(config: TrainConfig, learns: str, *, steps_per_epoch: int) -> Any:
    rate = peak_rate(config, learns)
    if config.schedule == "constant":
        return rate
    total = phase_epochs(config, learns) * steps_per_epoch
    warmup = min(int(config.warmup_epochs * steps_per_epoch), total // 2)
    return keras.optimizers.schedules.CosineDecay(
        rate / 10 if warmup else rate,
        decay_steps=max(1, total - warmup),
        alpha=LAST_RATE,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )


class ExtendedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule, then one of its own for each span of batches that was added later.

    The rate of a span falls by a cosine from a tenth of the highest rate to a hundredth of it: what was
    learnt is refined, and the first, high rates, which would undo it, do not come again.
    """

    def __init__(self, planned: Any, peak: float, spans: list[tuple[int, int]]) -> None:
        super().__init__()
        self.planned = planned
        self.peak = peak
        self.spans = spans

    def __call__(self, step: Any) -> Any:
        ops = keras.ops
        count = ops.cast(step, "float32")
        rate = self.planned(step)
        for first, end in self.spans:
            share = ops.clip((count - first) / max(1, end - first), 0.0, 1.0)
            low, high = self.peak * LAST_RATE, self.peak * EXTENDED_RATE
            falling = low + (high - low) * 0.5 * (1.0 + ops.cos(math.pi * share))
            rate = ops.where(count >= first, falling, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        """Return what the schedule was made of."""
        return {"planned": self.planned, "peak": self.peak, "spans": self.spans}
