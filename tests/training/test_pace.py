"""The time of a training: one measure for all of a machine, and what comes around the epochs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.pace import AROUND_TAG, Pace, around_seconds, pace_of


def run_of(architecture: str = "EfficientNetV2B0", *, rate: float = 10.0, **changes: str) -> RunInfo:
    around = changes.pop("around", "")
    params = {"architecture": architecture, "image_size": "224", "head_only": "False", "unfreeze": "all"}
    return RunInfo(
        id="1", name="r", status="finished", created=datetime.now(UTC), artifacts=Path(),
        tags={AROUND_TAG: around} if around else {}, params=params | changes,
        metrics={"images_per_second": rate},
    )  # fmt: skip


def pace(*runs: RunInfo, **options: object) -> Pace:
    return pace_of(TrainConfig(dataset="a", **options), runs)


def test_an_architecture_that_was_not_measured_is_told_in_the_measure_of_those_that_were():
    slow = run_of(rate=5.0)
    measured, other = pace(slow), pace(slow, architecture="ResNet50V2")
    assert (measured.speed, other.speed) == ("measured", "scaled")
    slower = measured.step / pace().step
    assert slower == pytest.approx((1 / 5) / (0.72 * 0.08), rel=0.03), "than the reference"
    assert other.step == pytest.approx(slower * pace(architecture="ResNet50V2").step)
    assert pace(architecture="ResNet50V2").speed == "reference"


def test_what_is_most_alike_tells_the_speed_and_of_equals_the_newest():
    runs = [
        run_of("ResNet50V2", rate=1.0),
        run_of(rate=8.0),
        run_of(rate=4.0),
        run_of(unfreeze="2", rate=9.0),
    ]
    assert pace(*runs).step == pytest.approx(1.02 / 8)
    assert pace(*runs, unfreeze=2).speed == "measured"
    assert pace(*runs, unfreeze=5).speed == "scaled"


@pytest.mark.parametrize(
    "useless",
    [
        run_of(head_only="True", feature_copies="4"),  # a head's pace tells nothing of the backbone
        run_of(rate=0.0),
        run_of("AlexNet"),
        run_of(sizes="(96,)"),
    ],
)
def test_a_run_that_tells_nothing_is_passed_over(useless):
    assert pace(useless).speed == "reference"


def test_what_came_around_earlier_runs_is_expected_again():
    usual, longer = pace(run_of()).around, pace(run_of(around="200.0")).around
    assert longer == pytest.approx(200)
    assert pace(head_epochs=5, head_only=False).around == usual, "the head builds no graph of its own"
    assert pace(sizes=(96, 128)).around > usual, "each size builds one"
    other = pace(run_of(around="200.0"), architecture="EfficientNetV2L").around
    assert other / pace(architecture="EfficientNetV2L").around == pytest.approx(200 / usual)


def test_building_graphs_belongs_to_what_comes_around():
    config = TrainConfig(dataset="a", epochs=6, head_epochs=2)
    seconds = [3.0, 1.0, 40.0, 4.0, 4.0, 5.0]
    epochs = [{"epoch": number, "seconds": each} for number, each in enumerate(seconds, 1)]
    # 4 for the two epochs of the head (2 each), 18 for the others (4.5 each)
    assert around_seconds(100.0, epochs, config, features=10.0) == pytest.approx(100 - 10 - 4 - 18)
    assert around_seconds(1.0, epochs, config, features=0.0) == 0
