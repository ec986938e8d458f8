"""Thresholds against scikit-image."""

import cv2
import numpy as np
import pytest
from skimage import filters

from pipeline.preprocessing import thresholds
from pipeline.preprocessing.parameters import Threshold


@pytest.mark.parametrize("block", [3, 11, 51, 301, 303, 511])
@pytest.mark.parametrize("offset", [0.0, -7.5, 12.0])
def test_local_mean_agrees_with_scikit_image(textured, block, offset):
    level = filters.threshold_local(textured.astype(float), block, "mean", offset=offset, mode="nearest")
    ours = thresholds.local_mean(textured, block=block, offset=offset) > 0
    # scikit-image adds up fractions; ours are whole numbers. Ties may fall either way in its sums.
    decided = np.abs(textured - level) > 1e-6
    np.testing.assert_array_equal(ours[decided], (textured <= level)[decided])
    assert decided.mean() > 0.8


def test_a_block_beyond_the_picture_is_opencvs(textured):
    """HUST-19's authors take OpenCV's adaptiveThreshold, block 10999; it rounds the mean to 8 bits."""
    theirs = cv2.adaptiveThreshold(
        textured, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 10999, -96
    )
    ours = thresholds.local_mean(textured, block=10999, offset=-96)
    assert (ours != theirs).mean() < 0.01


@pytest.mark.parametrize("block", [11, 51])
def test_local_gaussian_agrees_with_scikit_image(textured, block):
    level = filters.threshold_local(textured.astype(float), block, "gaussian", offset=3, mode="nearest")
    ours = thresholds.local_gaussian(textured, block=block, offset=3) > 0
    decided = np.abs(textured - level) > 1e-3
    np.testing.assert_array_equal(ours[decided], (textured <= level)[decided])
    assert decided.mean() > 0.99


def test_otsu_agrees_with_scikit_image(textured):
    histogram = thresholds.histogram_of(textured)
    assert thresholds.otsu_level(histogram) == filters.threshold_otsu(textured)


def test_multi_otsu_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    image = (
        np.concatenate([rng.normal(mean, 8, 4000) for mean in (40, 120, 200)]).clip(0, 255).astype(np.uint8)
    )
    ours = thresholds.multi_otsu_levels(thresholds.histogram_of(image[None]))
    assert np.abs(np.array(ours) - filters.threshold_multiotsu(image, 3, nbins=256)).max() <= 1


@pytest.mark.parametrize("seed", range(6))
def test_multi_otsu_finds_levels_as_good_as_scikit_images(seed):
    """Of levels that part the picture equally well either may be taken: the classes' variance is compared."""
    rng = np.random.default_rng(seed)
    modes = np.sort(rng.integers(10, 245, 3))
    image = np.concatenate([rng.normal(mean, rng.uniform(4, 15), 3000) for mean in modes])
    image = image.clip(0, 255).astype(np.uint8)[None]
    ours = thresholds.multi_otsu_levels(thresholds.histogram_of(image))
    theirs = filters.threshold_multiotsu(image, 3, nbins=256)

    def between(levels):
        parts = np.digitize(image, np.asarray(levels) + 0.5)
        return sum((parts == k).mean() * image[parts == k].mean() ** 2 for k in range(3))

    assert between(ours) >= between(theirs) - 1e-6
    assert np.abs(np.array(ours) - theirs).max() <= 1


@pytest.mark.parametrize("block", [3, 11, 51, 101, 251])
@pytest.mark.parametrize("offset", [-20.0, 0.0, 8.5])
def test_local_gaussian_agrees_with_scikit_image_at_every_block(textured, block, offset):
    """All but pixels within float32 rounding of their threshold, borders included."""
    level = filters.threshold_local(textured.astype(float), block, "gaussian", offset=offset, mode="nearest")
    ours = thresholds.local_gaussian(textured, block=block, offset=offset) > 0
    decided = np.abs(textured - level) > 1e-3
    np.testing.assert_array_equal(ours[decided], (textured <= level)[decided])
    assert decided.mean() > 0.99


def test_a_slice_of_one_colour_has_a_level_too():
    histogram = thresholds.histogram_of(np.full((4, 4), 90, np.uint8))
    assert thresholds.otsu_level(histogram) == 90
    assert thresholds.multi_otsu_levels(histogram) == (90, 90)


def test_a_fixed_level_needs_hu_and_falls_back_to_the_bodys(textured):
    threshold = Threshold(method="hu", level_hu=-400)
    slice_hu = np.linspace(-1000, 100, textured.size, dtype=np.float32).reshape(textured.shape)
    dark, level = thresholds.apply_threshold(textured, slice_hu, body_level=0, threshold=threshold)
    np.testing.assert_array_equal(dark > 0, slice_hu <= -400)
    assert level is None
    dark, level = thresholds.apply_threshold(textured, None, body_level=99, threshold=threshold)
    assert level == 99
    np.testing.assert_array_equal(dark > 0, textured <= 99)


def test_a_negative_offset_takes_more(textured):
    counts = [
        np.count_nonzero(
            thresholds.apply_threshold(
                textured, None, body_level=100, threshold=Threshold(method=method, offset=offset)
            )[0]
        )
        for method in ("body", "otsu", "multi-otsu", "local-mean", "local-gaussian")
        for offset in (-10, 0, 10)
    ]
    assert all(more >= some >= less for more, some, less in zip(*[iter(counts)] * 3, strict=True))
