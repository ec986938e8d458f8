"""Binary stages against scikit-image and SciPy, pixel for pixel, borders included."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology as reference
from skimage.measure import label
from skimage.segmentation import clear_border as reference_clear_border

from pipeline.preprocessing import morphology


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("kernel", ["disk", "square"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (morphology.erode, reference.erosion),
        (morphology.dilate, reference.dilation),
        (morphology.close, reference.closing),
        (morphology.open_, reference.opening),
    ],
)
def test_stages_agree_with_scikit_image_to_the_border(noisy_mask, ours, theirs, kernel, radius):
    footprint = reference.disk(radius) if kernel == "disk" else np.ones((2 * radius + 1,) * 2, np.uint8)
    expected = theirs(noisy_mask, footprint, mode="ignore")
    np.testing.assert_array_equal(ours(noisy_mask, radius=radius, kernel=kernel), expected)


def test_holes_are_filled_as_scipy_fills_them(noisy_mask):
    expected = ndimage.binary_fill_holes(noisy_mask) * np.uint8(255)
    np.testing.assert_array_equal(morphology.fill_holes(noisy_mask), expected)


def test_the_border_is_cleared_as_scikit_image_clears_it(noisy_mask):
    labels = label(noisy_mask > 0, connectivity=2)
    expected = (reference_clear_border(labels) > 0) * np.uint8(255)
    np.testing.assert_array_equal(morphology.clear_border(noisy_mask), expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6])
def test_holes_and_borders_of_ragged_pictures_agree_too(seed, share):
    """Single pixels, diagonal gaps, masks along the border: 4 against 8 neighbours shows here."""
    mask = (np.random.default_rng(seed).random((40, 55)) < share) * np.uint8(255)
    expected = ndimage.binary_fill_holes(mask) * np.uint8(255)
    np.testing.assert_array_equal(morphology.fill_holes(mask), expected)
    cleared = (reference_clear_border(label(mask > 0, connectivity=2)) > 0) * np.uint8(255)
    np.testing.assert_array_equal(morphology.clear_border(mask), cleared)
    for radius in (1, 3):
        opened = reference.opening(mask, reference.disk(radius), mode="ignore")
        np.testing.assert_array_equal(morphology.open_(mask, radius=radius), opened)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_largest_parts_are_scikit_images(noisy_mask, count):
    labels = label(noisy_mask > 0, connectivity=2)
    areas = np.bincount(labels.ravel())[1:]
    chosen = 1 + np.argsort(-areas, kind="stable")[:count]
    expected = np.isin(labels, chosen) * np.uint8(255)
    np.testing.assert_array_equal(morphology.keep_largest(noisy_mask, count=count), expected)


def test_the_largest_parts_stay():
    mask = np.zeros((9, 9), np.uint8)
    mask[0, 0] = mask[2:4, 2:4] = mask[6:9, 5:9] = 255
    kept = morphology.keep_largest(mask, count=2)
    assert kept[0, 0] == 0 and kept[2, 2] == 255 and kept[7, 7] == 255
    np.testing.assert_array_equal(morphology.keep_largest(mask, count=5), mask)


def test_a_flood_from_the_border_reaches_what_is_open():
    walls = np.full((7, 7), 255, np.uint8)
    walls[2:5, 2] = walls[2:5, 4] = walls[2, 2:5] = walls[4, 2:5] = 0
    flooded = morphology.flood_from_border(walls)
    assert flooded[3, 3] == 0 and flooded[0, 0] == 255 and flooded[2, 2] == 0


def test_nothing_is_changed_in_place(noisy_mask):
    before = noisy_mask.copy()
    for stage in (morphology.fill_holes, morphology.clear_border, morphology.flood_from_border):
        stage(noisy_mask)
    np.testing.assert_array_equal(noisy_mask, before)
