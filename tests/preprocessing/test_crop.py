"""The crop of the network's input: same bytes everywhere, marks where they belong, never a wrong window."""

import cv2
import numpy as np
import pytest

from pipeline.explanation.placement import to_slice
from pipeline.preprocessing.apply import preprocess_output, preprocess_slice
from pipeline.preprocessing.crop import View, view_around
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import to_grey8
from tests.preprocessing.conftest import draw_chest

HILUM = PRESETS["hilum"]


@pytest.fixture(scope="module")
def wide():
    """A chest that lies off the middle of a wide 8-bit picture."""
    slice_hu, _ = draw_chest(300)
    grey = to_grey8(slice_hu, intensity="hu", center=-600, width=1500)
    return cv2.copyMakeBorder(grey, 40, 10, 150, 20, cv2.BORDER_CONSTANT, value=0)


def center_of(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("to", ["body", "lungs"])
@pytest.mark.parametrize("output", ["grey", "masked", "three-channel"])
def test_cropped_bytes_are_the_same_on_both_paths(wide, preset, to, output):
    recipe = PRESETS[preset].changed(crop__to=to, output=output)
    done = preprocess_slice(wide, intensity="grey", recipe=recipe)
    np.testing.assert_array_equal(preprocess_output(wide, intensity="grey", recipe=recipe), done.output)
    assert done.output.shape[:2] == (512, 512)


def test_without_a_crop_the_window_is_the_whole_and_nothing_moves(wide):
    done = preprocess_slice(wide, intensity="grey", recipe=HILUM)
    assert not done.is_cropped
    np.testing.assert_array_equal(done.matrix, done.stage_matrix)


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("to", ["body", "lungs"])
def test_the_matrix_finds_the_lungs_on_the_cropped_output(wide, to, fit):
    """The mask channel of the output is the slice's mask, moved by `matrix`."""
    recipe = HILUM.changed(crop__to=to, output="three-channel", fit=fit)
    done = preprocess_slice(wide, intensity="grey", recipe=recipe)
    assert done.is_cropped and done.verdict.plausible
    shown, moved = done.output[..., 1] > 0, done.mask_on_output() > 0
    assert (shown & moved).sum() / (shown | moved).sum() > 0.98
    np.testing.assert_allclose(center_of(shown), center_of(moved), atol=0.5)
    assert set(np.unique(done.output[..., 1])) == {0, 255}


def test_stages_and_outlines_stay_in_the_whole_frame(wide):
    whole = preprocess_slice(wide, intensity="grey", recipe=HILUM)
    cropped = preprocess_slice(wide, intensity="grey", recipe=HILUM.changed(crop__to="lungs"))
    for name in ("grey", "local-threshold", "erosion", "closing", "edges", "lung-mask"):
        np.testing.assert_array_equal(cropped.stages[name], whole.stages[name])
    for one, other in zip(cropped.outlines(), whole.outlines(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(cropped.mask_on_stages(), whole.mask_on_output())
    assert np.count_nonzero(cropped.output) > 1.5 * np.count_nonzero(whole.output)


def test_the_margin_is_in_the_pixels_of_the_recipe(wide):
    recipe = HILUM.changed(crop__to="lungs", output="three-channel")
    for margin in (0, 20):
        done = preprocess_slice(wide, intensity="grey", recipe=recipe.changed(crop__margin=margin))
        scale = done.matrix[0, 0] / done.stage_matrix[0, 0]
        columns = np.flatnonzero(done.output[..., 1].any(axis=0))
        rows = np.flatnonzero(done.output[..., 1].any(axis=1))
        gaps = (columns[0], 511 - columns[-1], rows[0], 511 - rows[-1])
        assert min(gaps) / scale == pytest.approx(margin, abs=1.0)


def test_a_heatmap_lands_on_the_part_that_the_network_saw(wide):
    """Heat in the cell over a mark of the cropped output comes back to the mark; none outside the window."""
    done = preprocess_slice(wide, intensity="grey", recipe=HILUM.changed(crop__to="lungs"))
    target = center_of(done.found_mask[:, : int(center_of(done.found_mask)[0])])
    cell = ((done.matrix @ [*target, 1] + 0.5) * 16 / 512).astype(int)
    heat = np.zeros((16, 16), np.float32)
    heat[cell[1], cell[0]] = 1.0
    on_slice = to_slice(heat, matrix=done.matrix, output_size=512, shape=wide.shape)
    peak = np.unravel_index(np.argmax(on_slice), on_slice.shape)[::-1]
    assert np.abs(np.array(peak) - target).max() <= 32 / done.matrix[0, 0]
    everywhere = to_slice(np.ones((16, 16)), matrix=done.matrix, output_size=512, shape=wide.shape)
    seen = cv2.warpAffine(
        np.full((512, 512), 255, np.uint8), done.matrix, wide.shape[::-1], flags=cv2.WARP_INVERSE_MAP
    )
    assert ((everywhere > 0) == (seen > 127)).mean() > 0.99
    assert (everywhere == 0).any()


@pytest.mark.parametrize("output", ["grey", "masked", "three-channel"])
def test_without_a_believed_mask_the_whole_slice_is_shown(output):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    recipe = HILUM.changed(output=output)
    whole = preprocess_slice(noise, intensity="grey", recipe=recipe)
    cropped = preprocess_slice(noise, intensity="grey", recipe=recipe.changed(crop__to="lungs"))
    assert not cropped.verdict.plausible and not cropped.is_cropped
    np.testing.assert_array_equal(cropped.output, whole.output)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_slice_without_a_body_is_shown_whole(preset):
    flat = np.full((100, 120), 90, np.uint8)
    done = preprocess_slice(flat, intensity="grey", recipe=PRESETS[preset].changed(crop__to="body"))
    assert not done.is_cropped and (done.output == 90).mean() > 0.8


def test_a_window_keeps_the_aspect_and_stays_inside():
    mask = np.zeros((200, 200), np.uint8)
    mask[150:198, 20:120] = 255
    assert view_around(mask, margin=10) == View(200, top=80, left=10, side=120)
    assert view_around(mask, margin=90).is_whole
    mask[:] = 0
    assert view_around(mask, margin=10).is_whole
    mask[5:9, 5:9] = 255
    assert view_around(mask, margin=10).is_whole, "a speck is no body"


def test_the_windows_matrix_says_where_every_pixel_went():
    rows, columns = np.mgrid[:200, :200]
    view = View(200, top=60, left=20, side=100)
    inverse = np.linalg.inv(view.matrix)
    for axis, ramp in enumerate((columns, rows)):
        shown = view.of(ramp.astype(np.uint8))
        there = np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
        expected = (inverse @ there)[axis].reshape(200, 200)
        np.testing.assert_allclose(shown[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.51)
