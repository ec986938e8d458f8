import cv2
import numpy as np
import pytest

from pipeline.explanation.placement import to_slice

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def test_one_cell_a_pixel_is_the_map_itself():
    values = np.arange(12.0).reshape(3, 4)[:, :3]
    placed = to_slice(values, matrix=IDENTITY, output_size=3, shape=(3, 3))
    np.testing.assert_allclose(placed, values)


def test_enlarges_as_opencv_does():
    values = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    placed = to_slice(values, matrix=IDENTITY, output_size=56, shape=(56, 56))
    np.testing.assert_allclose(placed, cv2.resize(values, (56, 56)), atol=1e-5)
    assert placed.dtype == np.float32


def test_a_padded_slice_gets_its_own_part_of_the_map():
    """A slice of 2 x 4 in a square of 4 with a black row above and below."""
    values = np.arange(16.0).reshape(4, 4)
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 1.0]])
    placed = to_slice(values, matrix=matrix, output_size=4, shape=(2, 4))
    np.testing.assert_allclose(placed, values[1:3])


def test_is_zero_where_the_network_did_not_look():
    matrix = np.array([[1.0, 0, -2.0], [0, 1.0, 0]])  # the first two columns were cut off
    placed = to_slice(np.ones((4, 4)), matrix=matrix, output_size=4, shape=(4, 6))
    assert not placed[:, :2].any() and placed[:, 2:].all()


def test_a_slice_is_never_turned():
    with pytest.raises(ValueError, match="scales and shifts"):
        to_slice(np.ones((2, 2)), matrix=np.array([[0.9, 0.1, 0], [0, 1, 0]]), output_size=2, shape=(2, 2))
