"""The learning rate that a page draws is the one that the optimizer follows."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.config import TrainConfig
from pipeline.training.rates import planned_rates
from pipeline.training.schedule import build_schedule
from pipeline.training.stages import stage_of, stages_of

STEPS = 7


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "constant"},
        {"warmup_epochs": 0},
        {"warmup_epochs": 30},
        {"head_epochs": 3},
        {"head_only": True},
        {"sizes": (96, 128), "image_size": 160},
        {"epochs": 14, "planned_epochs": 9, "extensions": ((9, 11), (11, 14))},
        {"epochs": 14, "planned_epochs": 9, "extensions": ((9, 14),), "head_epochs": 2},
    ],
)
def test_planned_rates_are_those_of_the_schedule(changes):
    config = TrainConfig(**({"dataset": "a", "epochs": 9} | changes))
    batches, rates = planned_rates(config, steps_per_epoch=STEPS)
    assert batches.tolist() == list(range(config.epochs * STEPS))
    for batch, rate in zip(batches, rates, strict=True):
        learns = stage_of(config, batch // STEPS).learns
        first = next(stage.first for stage in stages_of(config) if stage.learns == learns)
        schedule = build_schedule(config, learns, steps_per_epoch=STEPS)
        wanted = schedule(int(batch) - first * STEPS) if callable(schedule) else schedule
        assert rate == pytest.approx(float(wanted), rel=1e-4), batch


def test_long_trainings_are_drawn_with_few_points():
    batches, rates = planned_rates(TrainConfig(dataset="a", epochs=200), steps_per_epoch=5000, most=500)
    assert 400 < len(batches) == len(rates) <= 500
    assert (np.diff(batches) > 0).all() and batches[-1] == 200 * 5000 - 1
