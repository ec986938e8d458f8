"""The learning rate of a training by batch, as a function of its configuration. Imports no Keras.

A page draws it. `schedule` builds what the optimizer follows; a test compares the two.
"""

from __future__ import annotations

import numpy as np

from pipeline.training.config import TrainConfig
from pipeline.training.stages import Stage, peak_rate, phase_epochs, stages_of

EXTENDED_RATE = 0.1  # where epochs that were added begin, as a share of the highest rate
LAST_RATE = 0.01  # where the cosine ends, as a share of the highest rate


def planned_rates(
    config: TrainConfig, *, steps_per_epoch: int, most: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Return batches (counted from 0, over all epochs) and the learning rate that each learns with.

    Args:
        most: of batches, about; evenly over each stage.
    """
    stages = stages_of(config)
    batches, rates = [], []
    for stage in stages:
        first, end = stage.first * steps_per_epoch, stage.end * steps_per_epoch
        count = max(2, min(end - first, round(most * len(stage) / config.epochs)))
        places = np.unique(np.linspace(first, end - 1, count).astype(np.int64))
        offset = next(each.first for each in stages if each.learns == stage.learns) * steps_per_epoch
        batches.append(places)
        rates.append(_rates(config, stage, places - offset, steps_per_epoch))
    return np.concatenate(batches), np.concatenate(rates)


def _rates(config: TrainConfig, stage: Stage, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
    """Return the rate at `steps`, counted from the first batch in which the stage's weights learn."""
    peak = peak_rate(config, stage.learns)
    if config.schedule == "constant":
        return np.full(len(steps), peak)
    total = phase_epochs(config, stage.learns) * steps_per_epoch
    warmup = min(int(config.warmup_epochs * steps_per_epoch), total // 2)
    falling = _cosine((steps - warmup) / max(1, total - warmup), peak, LAST_RATE * peak)
    rates = np.where(steps < warmup, peak * (0.1 + 0.9 * steps / max(1, warmup)), falling)
    stages = stages_of(config)
    if stages[-1].learns != stage.learns:
        return rates
    offset = next(each.first for each in stages if each.learns == stage.learns)
    for first, end in config.extensions:
        begin, length = (first - offset) * steps_per_epoch, (end - first) * steps_per_epoch
        added = _cosine((steps - begin) / max(1, length), EXTENDED_RATE * peak, LAST_RATE * peak)
        rates = np.where(steps >= begin, added, rates)
    return rates


def _cosine(share: np.ndarray, high: float, low: float) -> np.ndarray:
    return low + (high - low) * 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))
