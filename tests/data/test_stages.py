"""Stages written as pictures: the believed mask, and beside it one that was found and not believed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.stages import Written, write_stages
from pipeline.preprocessing.recipe import PRESETS, Recipe
from pipeline.preprocessing.windowing import to_grey8
from tests.preprocessing.conftest import draw_chest

RECIPE = PRESETS["hilum"].changed(size=256)


@pytest.fixture
def one_sided(tmp_path: Path) -> Path:
    """A chest of which one lung is solid: a mask is found and not believed."""
    slice_hu, lungs = draw_chest(256)
    lungs[:, :128] = False
    return write(tmp_path / "one-sided.png", np.where(lungs, np.float32(40), slice_hu))


def write(path: Path, slice_hu: np.ndarray) -> Path:
    cv2.imwrite(str(path), to_grey8(slice_hu, intensity="hu", center=-600, width=1500))
    return path


def stages(path: Path, recipe: Recipe) -> Written:
    """Write the stages of one slice beside it."""
    (written,) = write_stages([path], out=path.parent / "out", recipe=recipe, on_error=pytest.fail)
    return written


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_mask_that_is_not_believed_is_written_and_said(one_sided: Path) -> None:
    folder, verdict = stages(one_sided, RECIPE)
    assert verdict.startswith("Mask not believed. One side only")
    assert names(folder)[5:] == ["06-lung-mask.png", "07-network-input.png", "08-found-mask.png"]
    believed, found = (cv2.imread(str(folder / name), 0) for name in names(folder)[5::2])
    assert not believed.any(), "the lung mask is the believed one"
    assert found.shape == (256, 256) and set(np.unique(found)) == {0, 255}


def test_without_a_doubted_mask_there_is_none_of_an_earlier_recipe_either(one_sided: Path) -> None:
    stages(one_sided, RECIPE)
    folder, verdict = stages(one_sided, RECIPE.changed(lungs__method="none"))
    assert verdict == "No mask asked for." and len(names(folder)) == 7


def test_a_believed_mask_is_said_so(tmp_path: Path) -> None:
    slice_hu, _ = draw_chest(256)
    folder, verdict = stages(write(tmp_path / "chest.png", slice_hu), RECIPE)
    assert verdict == "Mask believed." and len(names(folder)) == 7
    assert cv2.imread(str(folder / "06-lung-mask.png"), 0).any()
