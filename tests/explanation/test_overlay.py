import numpy as np

from pipeline.explanation.overlay import diverging_colors, draw_overlay


def test_for_is_red_against_is_blue_and_nothing_is_grey():
    red, grey, blue = diverging_colors(np.array([1.0, 0.0, -1.0]), limit=1.0)
    assert red[0] > 150 > red[2] and blue[2] > 150 > blue[0] and np.ptp(grey.astype(int)) == 0


def test_no_heat_leaves_the_slice_as_it_is():
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    picture = draw_overlay(grey, np.zeros((20, 20)), limit=1.0, title="positive")
    np.testing.assert_array_equal(picture[:20, 170:190], np.repeat(grey[..., None], 3, axis=2))


def test_carries_a_scale_and_the_notice_below_the_slice():
    picture = draw_overlay(np.zeros((400, 400), np.uint8), np.zeros((400, 400)), limit=0.5, title="positive")
    assert picture.shape == (464, 400, 3) and picture.dtype == np.uint8
    foot = picture[400:]
    assert foot[20:28].std() > 20  # the bar
    assert (foot[46:].max(axis=(1, 2)) > 100).sum() > 5  # the notice's letters


def test_equal_heat_has_equal_colour_on_every_slice():
    """No scaling by the image: a weak map stays pale."""
    black = np.zeros((400, 400), np.uint8)
    weak = draw_overlay(black, np.full((400, 400), 0.1), limit=1.0, title="")
    strong = draw_overlay(black, np.full((400, 400), 1.0), limit=1.0, title="")
    assert weak[:400].mean() < 0.35 * strong[:400].mean()
