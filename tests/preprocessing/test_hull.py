"""Opening and hulls among the lung steps."""

import cv2
import numpy as np
import pytest
from skimage.morphology import convex_hull_image

from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.lungs.hull import fill_hulls
from pipeline.preprocessing.recipe import PRESETS
from tests.preprocessing.conftest import TISSUE, draw_chest, ellipse


@pytest.fixture(scope="module")
def consolidated():
    """A chest whose left lung has a consolidation at the outer pleura, and where that is."""
    slice_hu, lungs = draw_chest()
    lesion = ellipse(256, (50, 120), (16, 22)) & lungs
    slice_hu[lesion] = TISSUE
    return slice_hu, lesion


def test_a_hull_holds_the_parts_and_stays_in_the_body(noisy_mask):
    body = np.zeros_like(noisy_mask)
    body[:, 20:] = 255
    one = np.zeros_like(noisy_mask)
    one[30:60, 30:50] = one[50:60, 30:90] = 255
    filled = fill_hulls(one, body)
    # OpenCV takes in the pixels that the hull runs through, scikit-image those whose centre it holds.
    assert (filled != convex_hull_image(one > 0) * np.uint8(255)).mean() < 0.005
    assert not (fill_hulls(noisy_mask, body) & cv2.bitwise_not(body) & cv2.bitwise_not(noisy_mask)).any()
    assert ((fill_hulls(noisy_mask, body) & noisy_mask) == noisy_mask).all()


def test_the_hull_brings_consolidation_at_the_pleura_back_to_the_classic_steps(consolidated):
    slice_hu, lesion = consolidated
    kept = []
    for hull in (False, True):
        recipe = PRESETS["luna"].changed(lungs__hull=hull)
        kept.append((preprocess_slice(slice_hu, intensity="hu", recipe=recipe).found_mask > 0)[lesion].mean())
    assert kept[0] < 0.6 < 0.75 < kept[1]


@pytest.mark.parametrize("preset", list(PRESETS))
def test_an_opening_drops_specks_before_anything_else(preset):
    rng = np.random.default_rng(3)
    slice_hu, _ = draw_chest(noise=0)
    slice_hu[rng.integers(60, 200, 300), rng.integers(40, 216, 300)] = -1000
    counts = []
    for radius in (0, 2):
        recipe = PRESETS[preset].changed(
            size=256, lungs__opening_radius=radius, lungs__erosion_radius=0, denoise__method="none"
        )
        eroded = preprocess_slice(slice_hu, intensity="hu", recipe=recipe).stages["erosion"]
        counts.append(cv2.connectedComponents(eroded)[0])
    assert counts[1] <= counts[0]
    if preset == "hilum":
        assert counts[1] < 8 < 50 < counts[0]
