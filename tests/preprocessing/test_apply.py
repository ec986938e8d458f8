import cv2
import numpy as np
import pytest

from pipeline.preprocessing.apply import (
    draw_outline,
    find_lungs,
    outline_polygons,
    preprocess_output,
    preprocess_slice,
)
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import SliceArrayError, to_grey8
from tests.preprocessing.conftest import draw_chest

STAGES = ["grey", "local-threshold", "erosion", "closing", "edges", "lung-mask", "network-input"]


@pytest.fixture(scope="module")
def slices():
    """The same chest in HU and in 8 bits, not square, one of them larger than the recipe."""
    slice_hu, _ = draw_chest(600)
    wide = np.ascontiguousarray(slice_hu[60:540])
    small = cv2.resize(to_grey8(wide, intensity="hu", center=-600, width=1500), (300, 240))
    return [(wide, "hu"), (small, "grey")]


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("output", ["grey", "masked", "three-channel"])
def test_the_fast_path_gives_the_same_bytes(slices, preset, output):
    recipe = PRESETS[preset].changed(output=output)
    for image, intensity in slices:
        done = preprocess_slice(image, intensity=intensity, recipe=recipe)
        fast = preprocess_output(image, intensity=intensity, recipe=recipe)
        np.testing.assert_array_equal(fast, done.output)
        assert fast.dtype == np.uint8
        assert fast.shape == ((512, 512, 3) if output == "three-channel" else (512, 512))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_lungs_alone_are_the_same_lungs(slices, preset):
    for image, intensity in slices:
        done = preprocess_slice(image, intensity=intensity, recipe=PRESETS[preset])
        mask, verdict = find_lungs(image, intensity=intensity, recipe=PRESETS[preset])
        np.testing.assert_array_equal(mask, done.found_mask)
        assert verdict == done.verdict


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_stage_is_there_in_order_and_nothing_is_changed_in_place(slices, preset):
    for image, intensity in slices:
        before = image.copy()
        done = preprocess_slice(image, intensity=intensity, recipe=PRESETS[preset])
        np.testing.assert_array_equal(image, before)
        assert list(done.stages) == STAGES
        assert all(stage.dtype == np.uint8 for stage in done.stages.values())
        assert all(done.stages[name].shape == (512, 512) for name in STAGES[:5])
        assert done.lung_mask.shape == done.found_mask.shape == image.shape
        assert set(np.unique(done.lung_mask)) <= {0, 255}
        assert sum(done.milliseconds.values()) > 0


def test_the_pixel_spacing_gives_an_area_and_never_changes_the_output(slices):
    image, intensity = slices[0]
    plain = preprocess_slice(image, intensity=intensity, recipe=PRESETS["hilum"])
    spaced = preprocess_slice(image, intensity=intensity, recipe=PRESETS["hilum"], pixel_spacing=(0.5, 0.6))
    np.testing.assert_array_equal(plain.output, spaced.output)
    assert plain.verdict.lung_area_cm2 is None
    assert spaced.verdict.lung_area_cm2 == pytest.approx(np.count_nonzero(spaced.found_mask) * 0.3 / 100)


def test_masked_shows_lungs_with_a_margin_and_black_elsewhere(slices):
    image, intensity = slices[1]
    recipe = PRESETS["hilum"].changed(margin=0)
    done = preprocess_slice(image, intensity=intensity, recipe=recipe)
    inside = cv2.warpAffine(done.lung_mask, done.matrix, (512, 512), flags=cv2.INTER_NEAREST) > 0
    core = cv2.erode(inside.astype(np.uint8), np.ones((7, 7))) > 0
    far = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9))) == 0
    np.testing.assert_array_equal(done.output[core], done.stages["grey"][core])
    assert not done.output[far].any()
    wider = preprocess_slice(image, intensity=intensity, recipe=recipe.changed(margin=10)).output
    assert np.count_nonzero(wider) > np.count_nonzero(done.output)


def test_three_channels_are_slice_mask_and_edges(slices):
    image, intensity = slices[0]
    done = preprocess_slice(
        image, intensity=intensity, recipe=PRESETS["hilum"].changed(output="three-channel")
    )
    np.testing.assert_array_equal(done.output[..., 0], done.stages["grey"])
    np.testing.assert_array_equal(done.output[..., 2], done.stages["edges"])
    assert set(np.unique(done.output[..., 1])) == {0, 255}


def test_without_a_believed_mask_the_whole_slice_is_the_input():
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    for output in ("masked", "three-channel"):
        recipe = PRESETS["hilum"].changed(output=output)
        done = preprocess_slice(noise, intensity="grey", recipe=recipe)
        assert not done.verdict.plausible and not done.lung_mask.any()
        grey = done.output if output == "masked" else done.output[..., 0]
        np.testing.assert_array_equal(grey, done.stages["grey"])


def test_the_matrix_puts_a_mark_of_the_slice_on_the_output():
    grey = np.zeros((300, 500), np.uint8)
    grey[100:110, 340:350] = 255
    for fit in ("pad", "stretch"):
        recipe = PRESETS["hilum"].changed(output="grey", fit=fit)
        done = preprocess_slice(grey, intensity="grey", recipe=recipe)
        rows, columns = np.nonzero(done.output > 127)
        expected = done.matrix @ [344.5, 104.5, 1]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (16, 16), (3, 400), (511, 513)])
def test_odd_slices_are_worked_on_without_a_crash(preset, shape):
    rng = np.random.default_rng(0)
    for image, intensity in [
        (rng.integers(0, 255, shape).astype(np.uint8), "grey"),
        (rng.normal(-500, 400, shape), "hu"),
        (np.full(shape, np.nan, np.float32), "hu"),
    ]:
        done = preprocess_slice(image, intensity=intensity, recipe=PRESETS[preset])
        assert done.output.shape == (512, 512) and done.lung_mask.shape == shape


def test_slices_too_small_to_see_lungs_in_are_said_to_be():
    done = preprocess_slice(
        np.random.default_rng(0).integers(0, 255, (16, 16)).astype(np.uint8),
        intensity="grey",
        recipe=PRESETS["hilum"],
    )
    assert not done.verdict.plausible
    assert any("16 x 16 pixels" in reason for reason in done.verdict.reasons)


def test_a_huge_slice_is_reduced_first():
    image = np.zeros((4096, 4096), np.uint8)
    image[1000:3000, 1000:3000] = 200
    assert preprocess_output(image, intensity="grey", recipe=PRESETS["hilum"]).shape == (512, 512)


def test_a_colour_picture_is_refused_by_name():
    for function in (preprocess_slice, preprocess_output):
        with pytest.raises(SliceArrayError, match="RGB picture.*one channel"):
            function(np.zeros((64, 64, 3), np.uint8), intensity="grey", recipe=PRESETS["hilum"])


def test_outlines_follow_the_mask_and_draw_on_a_copy():
    mask = np.zeros((20, 30), np.uint8)
    mask[5:11, 8:21] = 255
    (polygon,) = outline_polygons(mask)
    assert polygon.min(axis=0).tolist() == [8, 5] and polygon.max(axis=0).tolist() == [20, 10]
    assert outline_polygons(np.zeros((4, 4))) == []
    grey = np.zeros((20, 30), np.uint8)
    picture = draw_outline(grey, mask, color=(1, 2, 3))
    assert picture.shape == (20, 30, 3) and picture[5, 8].tolist() == [1, 2, 3] and not grey.any()
