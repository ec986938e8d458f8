"""The estimate: near what was measured, and moving the right way."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.registry import ARCHITECTURES
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError
from pipeline.training.estimate import Estimate, estimate_training

# Peak resident memory in MiB of five training steps, measured in a process of their own.
MEASURED = [
    ("EfficientNetV2B0", 224, 16, 2258),
    ("EfficientNetV2B0", 384, 8, 2751),
    ("EfficientNetV2B3", 224, 8, 2441),
    ("EfficientNetV2S", 224, 12, 3719),
    ("ResNet50V2", 224, 16, 2626),
    ("ConvNeXtTiny", 224, 12, 4005),
]


def estimate(runs: tuple[RunInfo, ...] = (), **options: object) -> Estimate:
    config = TrainConfig(dataset="a", **options)
    return estimate_training(config, classes=3, train_places=300, val_slices=90, runs=runs)


def in_epochs(found: Estimate) -> float:
    """Seconds of the epochs alone."""
    return found.seconds - found.around_seconds


@pytest.mark.parametrize(("name", "image_size", "batch_size", "peak"), MEASURED)
def test_memory_is_within_a_fifth_of_what_was_measured(name, image_size, batch_size, peak):
    found = estimate(architecture=name, image_size=image_size, batch_size=batch_size)
    assert found.memory / 2**20 == pytest.approx(peak, rel=0.2)


# The same of what keeps less: few learning blocks, or none.
MEASURED_PARTS = [
    ("EfficientNetV2B0", {"image_size": 128, "batch_size": 8, "unfreeze": 2, "freeze_norm": True}, 993),
    ("EfficientNetV2B0", {"image_size": 128, "head_only": True, "feature_copies": 0}, 951),
    ("ResNet50V2", {"image_size": 128, "batch_size": 8, "unfreeze": 2, "freeze_norm": True}, 1127),
    ("ResNet50V2", {"image_size": 128, "head_only": True, "feature_copies": 0}, 989),
]


@pytest.mark.parametrize(("name", "options", "peak"), MEASURED_PARTS)
def test_memory_of_a_frozen_backbone_is_within_a_fifth(name, options, peak):
    found = estimate(architecture=name, **options)
    assert found.memory / 2**20 == pytest.approx(peak, rel=0.2)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_one(name):
    found = estimate(architecture=name)
    assert found.parameters / 1e6 == pytest.approx(ARCHITECTURES[name].parameters_millions, rel=0.02)
    assert found.seconds > 0


def test_more_work_costs_more():
    usual = estimate()
    assert estimate(batch_size=32).memory > usual.memory
    assert estimate(image_size=320).memory > usual.memory
    assert estimate(image_size=320).seconds > usual.seconds
    assert in_epochs(estimate(epochs=60)) == pytest.approx(2 * in_epochs(usual))
    assert estimate(head_only=True).seconds < usual.seconds
    assert estimate(head_only=True).memory < usual.memory


def test_the_speed_of_an_earlier_run_is_taken_where_there_is_one():
    run = RunInfo(
        id="1", name="r", status="finished", created=datetime.now(UTC), tags={}, artifacts=Path(),
        params={"architecture": "EfficientNetV2B0", "image_size": "224", "head_only": "False"},
        metrics={"images_per_second": 10.0},
    )  # fmt: skip
    found = estimate((run,))
    assert found.measured
    assert found.epoch_seconds == pytest.approx((300 + 0.33 * 90) / 10, rel=0.05)
    halved = estimate((run,), image_size=112)
    assert halved.epoch_seconds == pytest.approx(found.epoch_seconds / 4)
    other = replace(run, params=run.params | {"architecture": "ResNet50V2"})
    assert not estimate((other,)).measured


def test_a_head_on_kept_features_costs_its_few_looks_and_not_every_epoch():
    kept, anew = (estimate(head_only=True, epochs=40, feature_copies=copies) for copies in (4, 0))
    share = (4 * 300 + 90) / (40 * (300 + 90))
    assert in_epochs(kept) == pytest.approx(in_epochs(anew) * share, rel=0.01)


def test_a_second_stage_costs_what_learns_in_it_at_its_size():
    one = estimate(epochs=10)
    two = estimate(epochs=20, head_epochs=10, feature_copies=1)
    assert in_epochs(two) < 1.1 * in_epochs(one), "the head's epochs are nearly nothing"
    assert in_epochs(estimate(epochs=10, unfreeze=2)) < 0.6 * in_epochs(one)
    growing = estimate(epochs=10, sizes=(112,))
    training, validation = 300.0, 0.33 * 90
    expected = (5 * (training / 4 + validation) + 5 * (training + validation)) / (
        10 * (training + validation)
    )
    assert in_epochs(growing) / in_epochs(one) == pytest.approx(expected, rel=0.01)


def test_a_speed_is_taken_only_from_runs_in_which_as_much_learnt():
    run = RunInfo(
        id="1", name="r", status="finished", created=datetime.now(UTC), tags={}, artifacts=Path(),
        params={"architecture": "EfficientNetV2B0", "image_size": "224", "head_only": "False",
                "unfreeze": "2"},
        metrics={"images_per_second": 20.0},
    )  # fmt: skip
    assert not estimate((run,)).measured
    assert estimate((run,), unfreeze=2).epoch_seconds == pytest.approx(300 / 20, rel=0.4)


def test_the_demo_was_trained_elsewhere_and_tells_nothing_of_this_machine():
    run = RunInfo(
        id="1", name="demo", status="finished", created=datetime.now(UTC), artifacts=Path(),
        params={"architecture": "EfficientNetV2B0", "image_size": "224", "head_only": "False"},
        metrics={"images_per_second": 10.0}, tags={"demo": "true"},
    )  # fmt: skip
    assert not estimate((run,)).measured


def test_less_memory_may_be_allowed_than_the_machine_has(monkeypatch):
    monkeypatch.setenv("HILUM_MEMORY_GB", "0.5")
    assert estimate().available == 2**29
    monkeypatch.setenv("HILUM_MEMORY_GB", "much")
    with pytest.raises(ConfigError, match="number of gigabytes, for example 8"):
        estimate()
