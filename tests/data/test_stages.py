"""Stages written as pictures: the believed mask, and what is said of one that is not."""

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


def test_a_mask_that_is_not_believed_is_empty_and_said(one_sided: Path) -> None:
    folder, doubt = stages(one_sided, RECIPE)
    assert doubt.startswith("the lung mask is not believed and left empty. One side only")
    assert names(folder)[5:] == ["06-lung-mask.png", "07-network-input.png"]
    assert not cv2.imread(str(folder / "06-lung-mask.png"), 0).any()


def test_where_none_was_asked_for_nothing_is_doubted(one_sided: Path) -> None:
    assert stages(one_sided, RECIPE.changed(lungs__method="none")).doubt == ""


def test_a_believed_mask_needs_no_words(tmp_path: Path) -> None:
    slice_hu, _ = draw_chest(256)
    folder, doubt = stages(write(tmp_path / "chest.png", slice_hu), RECIPE)
    assert doubt == "" and cv2.imread(str(folder / "06-lung-mask.png"), 0).any()
