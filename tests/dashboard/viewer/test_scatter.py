"""The scatter: what is inside a line, colours of numbers, what it takes and what comes back."""

from typing import Any

import numpy as np
import pytest

from dashboard.viewer import ViewerDataError
from dashboard.viewer.scatter import MOST_CORNERS, NONE, Points, inside, read_state, shades

SQUARE = ((0, 0), (4, 0), (4, 4), (0, 4))


def test_inside_is_by_the_even_odd_rule_and_never_for_what_has_no_place() -> None:
    x, y = [2, 5, np.nan, -1], [2, 2, 2, 2]
    assert inside(x, y, SQUARE).tolist() == [True, False, False, False]
    hollow = ((0, 0), (4, 0), (4, 4), (2, 1), (0, 4))
    assert inside([2, 1], [3, 1], hollow).tolist() == [False, True], "a notch is outside"
    assert inside([1], [1], SQUARE[:2]).tolist() == [False], "two corners hold nothing"


def test_inside_does_not_care_where_a_line_begins_or_which_way_it_goes() -> None:
    points = np.random.default_rng(0).uniform(-1, 5, (2, 500))
    x, y = points
    expected = inside(x, y, SQUARE)
    assert (inside(x, y, SQUARE[::-1]) == expected).all()
    assert (inside(x, y, SQUARE[2:] + SQUARE[:2]) == expected).all()
    assert (expected == ((points > 0) & (points < 4)).all(axis=0)).all()


def test_numbers_become_colours_that_rise_with_them_and_the_unknown_is_grey() -> None:
    colors, palette, (low, high) = shades(np.array([0.0, 50.0, 100.0, np.nan]))
    assert colors[0] < colors[1] < colors[2] < len(palette) and colors[3] == NONE
    assert 0 <= low < high <= 100
    assert shades(np.array([7.0, 7.0]))[0].tolist() == [0, 0]
    assert shades(np.array([np.nan]))[0].tolist() == [NONE]


def test_points_that_cannot_be_drawn_are_refused_in_a_sentence() -> None:
    color = np.zeros(1, np.uint8)
    with pytest.raises(ViewerDataError, match="as many x, y and colours"):
        Points(np.zeros(2), np.zeros(1), color, ["#000000"])
    with pytest.raises(ViewerDataError, match="two finite numbers"):
        Points(np.array([np.nan]), np.zeros(1), color, ["#000000"])


@pytest.mark.parametrize(
    ("reported", "picked", "lasso"),
    [
        (None, None, None),
        ({"pick": 2, "lasso": None}, 2, None),
        ({"pick": 3}, None, None),
        ({"lasso": []}, None, ()),
        ({"lasso": [[1, 2.5], [3, 4], [5, 6]]}, None, ((1.0, 2.5), (3.0, 4.0), (5.0, 6.0))),
        ({"lasso": [[1, "2"]]}, None, None),
        ({"lasso": [[0, 0]] * (MOST_CORNERS + 1)}, None, None),
    ],
)
def test_only_what_a_scatter_can_report_is_heeded(reported: Any, picked: int | None, lasso: Any) -> None:
    state = read_state(reported, 3)
    assert (state.picked, state.lasso) == (picked, lasso)
