"""The optimizer of a stage, and how its learning rate goes. Neutral of Keras's backend."""

from __future__ import annotations

from typing import Any

import keras

from pipeline.training.config import TrainConfig
from pipeline.training.stages import peak_rate, phase_epochs

LAST_RATE = 0.01  # where the cosine ends, as a share of the highest rate
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
    takes half of the batches at most.
    """
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
