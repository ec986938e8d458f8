import numpy as np
import pytest

from pipeline.preprocessing.geometry import (
    ModelInputError,
    mask_to_slice,
    pad_to_square,
    place,
    resize_to,
    to_model_input,
)


@pytest.mark.parametrize(("height", "width"), [(300, 500), (500, 300), (512, 512), (33, 7), (1024, 800)])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_the_matrix_says_where_every_pixel_went(height, width, fit):
    """A linear ramp stays linear under resizing, so each output pixel must read its own source position."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    placement = place(height, width, size=256, fit=fit)
    scale_down, scale_across = placement.rows / height, placement.columns / width
    for position, axis in ((columns, 0), (rows, 1)):
        resized = resize_to(position, rows=placement.rows, columns=placement.columns)
        # Area averages see whole pixels only at the border; compare inside.
        margin = 2 + int(1 / min(scale_down, scale_across)) + int(max(scale_down, scale_across))
        square_rows, square_columns = np.mgrid[placement.content].astype(np.float64)
        inverse = np.linalg.inv(np.vstack([placement.matrix, [0, 0, 1]]))
        expected = inverse[axis, 0] * square_columns + inverse[axis, 1] * square_rows + inverse[axis, 2]
        inner = np.s_[margin:-margin, margin:-margin]
        if resized[inner].size:
            np.testing.assert_allclose(
                resized[inner], expected[inner], atol=0.51 if min(height, width) > 256 else 0.02
            )


def test_padding_centres_and_keeps_the_aspect():
    placement = place(100, 200, size=256, fit="pad")
    assert (placement.rows, placement.columns, placement.top, placement.left) == (128, 256, 64, 0)
    square = pad_to_square(np.full((128, 256), 9, np.uint8), placement)
    assert (
        square[63].max() == 0 and square[64].min() == 9 and square[191].min() == 9 and square[192].max() == 0
    )


def test_a_slice_of_the_right_size_is_not_resampled():
    placement = place(256, 256, size=256, fit="pad")
    np.testing.assert_array_equal(placement.matrix, [[1, 0, 0], [0, 1, 0]])


def test_a_mask_comes_back_to_the_slices_own_pixels():
    placement = place(100, 300, size=512, fit="pad")
    mask = np.zeros((100, 300), np.uint8)
    mask[20:60, 100:220] = 255
    there = pad_to_square(resize_to(mask, rows=placement.rows, columns=placement.columns), placement)
    back = mask_to_slice(there, placement)
    assert set(np.unique(back)) == {0, 255}
    assert (back != mask).mean() < 0.01


def test_a_models_input_averages_areas_and_keeps_float32_in_0_to_255():
    output = np.kron(np.array([[0, 100], [200, 250]]), np.ones((4, 4))).astype(np.uint8)
    reduced = to_model_input(output, image_size=2, channels=3)
    assert reduced.dtype == np.float32 and reduced.shape == (2, 2, 3)
    assert reduced[..., 0].tolist() == [[0, 100], [200, 250]]
    assert to_model_input(output, image_size=1, channels=1).ravel().tolist() == [137.5]


def test_three_channels_stay_apart_on_the_way_to_the_model():
    output = np.dstack([np.full((8, 8), value, np.uint8) for value in (10, 20, 30)])
    assert to_model_input(output, image_size=4, channels=3)[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("shape", "channels", "advice"),
    [
        ((8, 8, 3), 1, "three channels and the model takes one"),
        ((8, 8, 2), 3, "shape"),
        ((8, 8), 2, "1 or 3"),
    ],
)
def test_what_no_model_can_take_is_named(shape, channels, advice):
    with pytest.raises(ModelInputError, match=advice):
        to_model_input(np.zeros(shape, np.uint8), image_size=4, channels=channels)
