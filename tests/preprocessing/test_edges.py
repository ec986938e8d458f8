"""Edges against scikit-image."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage import feature, filters
from skimage.measure import label

from pipeline.preprocessing import edges
from pipeline.preprocessing.parameters import Edges


@pytest.mark.parametrize(("ours", "theirs"), [(edges.roberts, filters.roberts), (edges.sobel, filters.sobel)])
def test_gradients_agree_with_scikit_image_to_the_border(textured, ours, theirs):
    expected = theirs(textured.astype(np.float64) / 255) * 255
    assert np.abs(ours(textured).astype(float) - expected).max() <= 0.501  # rounding to 8 bits


def test_canny_draws_scikit_images_lines_within_a_pixel(textured):
    image = np.where(np.hypot(*(np.indices(textured.shape) - 60)) < 40, 200, 40).astype(np.uint8)
    ours = edges.canny(image, low=60, high=140) > 0
    theirs = feature.canny(image.astype(float), sigma=1, low_threshold=20, high_threshold=40)
    assert ours.any()
    assert distance_transform_edt(~theirs)[ours].max() <= 1.5
    assert distance_transform_edt(~ours)[theirs].max() <= 1.5


def test_cannys_hysteresis_is_scikit_images(textured):
    """What Canny keeps of its thin lines: those at least `low` that hang together with one above `high`.

    With low = high OpenCV gives the strong lines, with high = low the weak ones too; scikit-image joins them.
    """
    low, high = 60.0, 140.0
    weak = edges.canny(textured, low=low, high=low) > 0
    strong = edges.canny(textured, low=high, high=high) > 0
    assert (strong <= weak).all() and 0 < strong.sum() < weak.sum()
    expected = filters.apply_hysteresis_threshold(1.0 * weak + strong, 0.5, 1.5)
    # scikit-image joins over 4 neighbours, OpenCV over 8, so join them here over 8.
    labels = label(weak, connectivity=2)
    joined = np.isin(labels, np.unique(labels[strong])) & weak
    np.testing.assert_array_equal(edges.canny(textured, low=low, high=high) > 0, joined)
    assert (expected <= joined).all()


def test_edges_are_the_same_bytes_every_time(textured):
    first = edges.sobel(textured)
    for _ in range(20):
        np.testing.assert_array_equal(edges.sobel(textured.copy()), first)


@pytest.mark.parametrize("method", ["roberts", "sobel", "canny"])
def test_a_flat_picture_has_no_edges(method):
    assert not edges.detect_edges(np.full((20, 30), 77, np.uint8), Edges(method=method)).any()
