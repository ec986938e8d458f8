"""Sweeping a parameter: what it counts, that a model is asked, that it can be given up."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.inference.sensitivity import (
    BackgroundSweep,
    SweepPoint,
    SweepSlice,
    SweepStoppedError,
    sweep,
    sweep_values,
    sweepable,
)
from pipeline.preprocessing.recipe import PRESETS, Recipe, RecipeError
from pipeline.preprocessing.windowing import to_grey8
from tests.preprocessing.conftest import draw_chest, ellipse

HILUM = PRESETS["hilum"].changed(size=256)


class BrightIsOne:
    """A model of two classes: says 1 where the input's mean is above `level`."""

    def __init__(self, level: float) -> None:
        self.level = level
        self.facts = SimpleNamespace(image_size=32, channels=1)

    def run(self, batch: np.ndarray) -> Any:
        bright = batch.mean(axis=(1, 2, 3)) - self.level
        return SimpleNamespace(logits=np.stack([-bright, bright], axis=1))


@pytest.fixture(scope="module")
def chests() -> list[SweepSlice]:
    """A chest with a lesion at the pleura, and one without lungs."""
    slice_hu, lungs = draw_chest(256)
    lesion = ellipse(256, (48, 125), (9, 12)) & lungs
    ill = np.where(lesion, np.float32(30), slice_hu)
    return [
        SweepSlice(ill, "hu", lesion),
        SweepSlice(np.where(lungs, np.float32(40), slice_hu), "hu"),
    ]


def test_the_repair_brings_the_lesion_back_and_the_figures_say_so(chests: list[SweepSlice]) -> None:
    points = sweep(chests, HILUM, "lungs__repair")
    assert [point.value for point in points] == sweep_values(HILUM, "lungs__repair")
    recalls = [point.lesion_recall for point in points]
    assert recalls[0] is not None and recalls[-1] is not None and recalls[-1] > recalls[0]
    assert all(point.slices == 2 and point.implausible == 1 and point.flips is None for point in points)


def test_flips_are_counted_against_the_recipe_in_hand(chests: list[SweepSlice]) -> None:
    wide = sweep(chests[:1], HILUM, "margin", engine=BrightIsOne(0.0))  # type: ignore[arg-type]
    assert {point.flips for point in wide} == {0}, "always class 1: nothing can flip"
    own = next(point for point in sweep(chests[:1], HILUM, "margin") if point.value == HILUM.margin)
    level = _mean_input(chests[0], HILUM.margin) - 0.01
    points = sweep(chests[:1], HILUM, "margin", engine=BrightIsOne(level))  # type: ignore[arg-type]
    flips = {point.value: point.flips for point in points}
    assert flips[own.value] == 0 and flips[0] == 1


def _mean_input(each: SweepSlice, margin: int) -> float:
    from pipeline.preprocessing.apply import preprocess_output
    from pipeline.preprocessing.geometry import to_model_input

    output = preprocess_output(each.image, intensity="hu", recipe=HILUM.changed(margin=margin))
    return float(to_model_input(output, image_size=32, channels=1).mean())


def offered(recipe: Recipe, *intensities: str, has_model: bool = False) -> list[str]:
    return sweepable(recipe, intensities=intensities, has_model=has_model)


def test_only_what_matters_can_be_swept() -> None:
    assert "threshold__block" not in offered(HILUM, "hu") and "lungs__repair" in offered(HILUM, "hu")
    assert "threshold__block" in offered(PRESETS["notebook"], "hu")
    assert offered(HILUM.changed(lungs__method="none"), "hu") == []
    for preset in PRESETS.values():
        for path in offered(preset, "hu", "grey", has_model=True):
            for value in sweep_values(preset, path):
                preset.changed(**{path: value})  # none is out of range
    with pytest.raises(RecipeError, match="can't be swept"):
        sweep_values(HILUM, "name")


@pytest.mark.parametrize(
    ("intensities", "levels"),
    [
        (["hu"], ["threshold__level_hu"]),
        (["grey"], ["threshold__offset"]),
        (["hu", "grey"], ["threshold__offset", "threshold__level_hu"]),
    ],
)
def test_the_level_that_is_offered_is_the_one_that_acts(intensities: list[str], levels: list[str]) -> None:
    """A fixed level in HU does nothing to slices without HU: there the offset moves the measured one."""
    luna = PRESETS["luna"].changed(size=256)
    found = [path for path in offered(luna, *intensities) if path.startswith("threshold")]
    assert found == levels
    slice_hu, _ = draw_chest(256)
    grey = to_grey8(slice_hu, intensity="hu", center=-600, width=1500)
    sample = [SweepSlice(slice_hu if kind == "hu" else grey, kind) for kind in intensities]
    for path in levels:
        assert len({point.lung_share for point in sweep(sample, luna, path)}) > 1


def test_the_margin_is_offered_with_a_model_only() -> None:
    """It lies beyond the mask, so every figure of the mask is flat."""
    assert "margin" not in offered(HILUM, "hu")
    assert "margin" in offered(HILUM, "hu", has_model=True)
    assert "margin" not in offered(HILUM.changed(output="grey"), "hu", has_model=True)


def test_a_sweep_in_the_background_says_how_far_it_is_and_ends_when_asked() -> None:
    reached = threading.Event()

    def work(progress: Any) -> list[SweepPoint]:
        for done in range(10_000):
            progress(done, 10_000)
            reached.set()
            threading.Event().wait(0.002)
        return []

    running = BackgroundSweep("Closing").start(work)
    assert reached.wait(10) and not running.ended
    running.cancel()
    running.wait(10)
    assert running.ended and isinstance(running.problem, SweepStoppedError)
    assert 0 < running.total == 10_000 and running.points is None
