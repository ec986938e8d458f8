"""Hiding parts of a slice: what is hidden, what it is replaced by, and what the margin loses."""

import numpy as np
import pytest

from pipeline.explanation.closed_form import margin_contrast
from pipeline.explanation.occlusion import Patches, empty_slice, occlusion_values, to_grid
from pipeline.explanation.probe import occlude_slice
from tests.explanation.toy import CELLS, SIZE, ToyNetwork, spotted, toy_map

CONTRAST = margin_contrast(3, 0)


def test_a_patch_loses_exactly_what_it_adds():
    """Where the evidence adds up, hiding a patch loses the patch's own value in the exact map, in logits."""
    weights = np.random.default_rng(1).normal(size=(CELLS, CELLS))
    network, patches = ToyNetwork(weights), spotted()
    values = occlusion_values(*occlude_slice(network, patches), CONTRAST)
    np.testing.assert_allclose(values, toy_map(network, patches), atol=1e-6)
    assert values.min() < 0 < values.max(), "what speaks against the class is negative"


def test_maps_of_a_class_and_of_the_difference_come_from_the_same_passes():
    network, patches = ToyNetwork(), spotted()
    without, logits = occlude_slice(network, patches)
    asked = network.asked
    over_rival = occlusion_values(without, logits, margin_contrast(3, 0, rival=1))
    of_rival = occlusion_values(without, logits, margin_contrast(3, 1))
    assert network.asked == asked
    np.testing.assert_allclose(over_rival, -2 * of_rival, atol=1e-6)


def test_patches_that_hold_nothing_cost_no_pass():
    patches = spotted()
    patches.image[: SIZE // 2] = 0  # as empty as the emptied slice
    network = ToyNetwork()
    without, logits = occlude_slice(network, patches)
    assert network.asked == 1 + CELLS * CELLS // 2
    np.testing.assert_array_equal(without[0, 0], logits)


def test_hides_the_patches_that_are_named_and_no_others():
    patches = spotted()
    which = np.zeros((CELLS, CELLS), bool)
    which[1, 2] = True
    hidden, side = patches.hide(which), SIZE // CELLS
    assert not hidden[side : 2 * side, 2 * side : 3 * side].any()
    assert np.count_nonzero(hidden != patches.image) == side * side


def test_the_emptied_slice_has_healthy_lung_in_the_lungs_and_air_elsewhere():
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (SIZE, SIZE, 1)).astype(np.float32)
    lungs = np.zeros((SIZE, SIZE), np.uint8)
    lungs[20:40, 10:30] = 255
    empty = empty_slice(image, lungs=lungs)
    np.testing.assert_allclose(empty[lungs != 0], np.percentile(image[lungs != 0], 25), rtol=1e-6)
    np.testing.assert_allclose(empty[lungs == 0], np.percentile(image, 5), rtol=1e-6)
    assert image.std() > 70, "the slice itself is not changed"


@pytest.mark.parametrize("cells", [1, 2, 7, 8, 16, 64, 224])
def test_a_map_on_the_patches_keeps_its_mean(cells):
    values = np.random.default_rng(cells).normal(size=(cells, cells))
    placed = to_grid(values, CELLS)
    assert placed.shape == (CELLS, CELLS)
    assert placed.mean() == pytest.approx(values.mean(), abs=0.08 / np.sqrt(cells))


def test_a_class_has_no_margin_over_itself():
    with pytest.raises(ValueError, match="over itself"):
        margin_contrast(3, 1, rival=1)


def test_cut_takes_the_lungs_into_account():
    image = np.full((SIZE, SIZE, 1), 100, np.float32)
    image[:, 32:] = 200
    image[:8] = 30
    lungs = np.zeros((SIZE, SIZE), np.uint8)
    lungs[16:48, 16:48] = 1
    assert Patches.cut(image, lungs=lungs).empty[20, 20] == 100
    assert set(Patches.cut(image).empty.ravel()) == {30}
    assert not Patches.cut(image).filled[0].any() and Patches.cut(image).filled[1:].all()
