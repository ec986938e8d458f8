import numpy as np
import pytest

from pipeline.preprocessing.windowing import SliceArrayError, check_slice, to_grey8


def test_a_window_maps_its_ends_to_black_and_white():
    slice_hu = np.array([[-5000, -1350, -600, 150, 3000]], dtype=np.float32)
    assert to_grey8(slice_hu, intensity="hu", center=-600, width=1500).tolist() == [[0, 0, 128, 255, 255]]


def test_windowing_is_monotone_and_bounded():
    slice_hu = np.linspace(-2000, 4000, 5001)[None]
    grey = to_grey8(slice_hu, intensity="hu", center=40, width=400).astype(int)
    assert (np.diff(grey) >= 0).all()
    assert grey.min() == 0 and grey.max() == 255


def test_what_is_no_number_is_air_and_nothing_is_changed_in_place():
    slice_hu = np.array([[np.nan, np.inf, -np.inf, 0]], dtype=np.float32)
    before = slice_hu.copy()
    assert to_grey8(slice_hu, intensity="hu", center=0, width=1000).tolist() == [[0, 255, 0, 128]]
    np.testing.assert_array_equal(slice_hu, before)


def test_grey_slices_have_no_hu_to_window():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(to_grey8(grey, intensity="grey", center=40, width=400), grey)


@pytest.mark.parametrize(
    ("image", "intensity", "advice"),
    [
        (np.zeros((4, 4, 3), np.uint8), "grey", "RGB picture.*read_slice"),
        (np.zeros((4, 4, 4), np.uint8), "grey", "RGBA picture.*read_slice"),
        (np.zeros((4,), np.uint8), "grey", "rows and columns"),
        (np.zeros((0, 4), np.uint8), "grey", "at least one each"),
        (np.zeros((4, 4), np.uint16), "grey", "uint16.*grey slices are uint8"),
        (np.zeros((4, 4), complex), "hu", "HU are real"),
        (np.zeros((4, 4), np.uint8), "rgb", "'hu'.*'grey'"),
        ([[1, 2]], "grey", "list.*NumPy"),
    ],
)
def test_what_is_no_slice_is_named(image, intensity, advice):
    with pytest.raises(SliceArrayError, match=advice):
        check_slice(image, intensity=intensity)


def test_a_window_has_a_width():
    with pytest.raises(SliceArrayError, match="above 0"):
        to_grey8(np.zeros((2, 2)), intensity="hu", center=0, width=0)
