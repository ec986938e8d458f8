"""Slices that are no textbook chest: a mask with a verdict, by every preset, never an empty picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.preprocessing.apply import preprocess_output, preprocess_slice
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import to_grey8
from tests.preprocessing.conftest import AIR, BONE, TISSUE, dice, draw_chest, ellipse

CHEST, LUNGS = draw_chest()


def one_lung():
    slice_hu = CHEST.copy()
    slice_hu[:, 128:][LUNGS[:, 128:]] = TISSUE
    return slice_hu


def arms_in_view():
    slice_hu = cv2.copyMakeBorder(CHEST, 0, 0, 60, 60, cv2.BORDER_CONSTANT, value=AIR)
    for column in (30, 346):
        slice_hu[cv2.circle(np.zeros(slice_hu.shape, np.uint8), (column, 130), 24, 1, -1) > 0] = TISSUE
        slice_hu[cv2.circle(np.zeros(slice_hu.shape, np.uint8), (column, 130), 8, 1, -1) > 0] = BONE
    return slice_hu


def table_only():
    slice_hu = np.full((256, 256), AIR, np.float32)
    slice_hu[200:206, 20:236] = 100
    return slice_hu


def head():
    slice_hu = np.full((256, 256), AIR, np.float32)
    slice_hu[ellipse(256, (128, 128), (80, 100))] = BONE
    slice_hu[ellipse(256, (128, 128), (72, 92))] = TISSUE
    return slice_hu


HOSTILE = {
    "one colour": np.full((256, 256), 40, np.float32),
    "black": np.full((256, 256), AIR, np.float32),
    "white": np.full((256, 256), 3000, np.float32),
    "lungs cut by the border": np.ascontiguousarray(CHEST[:, 70:190]),
    "prone": np.ascontiguousarray(CHEST[::-1]),
    "one lung": one_lung(),
    "arms in view": arms_in_view(),
    "table only": table_only(),
    "head": head(),
    "16 x 16": cv2.resize(CHEST, (16, 16), interpolation=cv2.INTER_AREA),
    "4096 x 4096": cv2.resize(CHEST, (4096, 4096), interpolation=cv2.INTER_NEAREST),
    "turned": np.ascontiguousarray(CHEST.T),
}
# Where there is no lung to find, every preset has to say that there is none.
LUNGLESS = ("one colour", "black", "white", "head", "16 x 16")


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("intensity", ["hu", "grey"])
@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_mask_is_believed_or_flagged_and_the_picture_is_not_lost(name, intensity, preset):
    image = HOSTILE[name]
    if intensity == "grey":
        image = to_grey8(image, intensity="hu", center=-600, width=1500)
    recipe = PRESETS[preset].changed(size=256)
    done = preprocess_slice(image, intensity=intensity, recipe=recipe)
    assert done.lung_mask.shape == image.shape
    if done.verdict.plausible:
        assert done.lung_mask.any() and name not in LUNGLESS
        lit = done.output[done.mask_on_output() > 0]
        assert lit.any() or not done.stages["grey"][done.mask_on_stages() > 0].any()
    else:
        assert done.verdict.reasons and not done.lung_mask.any()
        np.testing.assert_array_equal(done.output, done.stages["grey"])
    for crop in ("body", "lungs"):
        cropped = preprocess_output(image, intensity=intensity, recipe=recipe.changed(crop__to=crop))
        assert cropped.any() == done.stages["grey"].any(), "never a silent empty picture"


@pytest.mark.parametrize("name", ["prone", "arms in view", "4096 x 4096", "turned"])
def test_lungs_that_lie_otherwise_are_found_by_hilum(name):
    done = preprocess_slice(HOSTILE[name], intensity="hu", recipe=PRESETS["hilum"])
    known = {
        "prone": LUNGS[::-1],
        "arms in view": np.pad(LUNGS, ((0, 0), (60, 60))),
        "4096 x 4096": cv2.resize(LUNGS.astype(np.uint8), (4096, 4096), interpolation=cv2.INTER_NEAREST),
        "turned": LUNGS.T,
    }[name]
    assert done.verdict.plausible
    assert dice(done.found_mask, known) > 0.93


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("folder", ["head-ct", "brain-mri", "chest-xray"])
def test_pictures_of_other_things_keep_their_picture(real_data, folder, preset):
    recipe = PRESETS[preset].changed(size=256)
    for path in sorted((real_data / "not-chest-ct" / folder).iterdir())[:4]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is not None:
            done = preprocess_slice(grey, intensity="grey", recipe=recipe)
            assert done.output.any()
            assert done.verdict.plausible or done.verdict.reasons
