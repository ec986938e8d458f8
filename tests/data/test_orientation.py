"""Sides of the body at the edges of a picture."""

import pytest

from pipeline.data.orientation import edge_marks


@pytest.mark.parametrize(
    ("orientation", "marks"),
    [
        ([1, 0, 0, 0, 1, 0], ("R", "L", "A", "P")),  # supine, feet first or head first: axial
        ([-1, 0, 0, 0, -1, 0], ("L", "R", "P", "A")),  # upside down
        ([0, 1, 0, 0, 0, -1], ("A", "P", "H", "F")),  # sagittal
        ([1, 0, 0, 0, 0, -1], ("R", "L", "H", "F")),  # coronal
    ],
)
def test_known_planes_have_their_letters(orientation, marks):
    assert edge_marks(orientation) == marks


def test_a_tilted_plane_names_both_axes_the_nearer_first():
    assert edge_marks([0.8, 0.6, 0, -0.6, 0.8, 0]) == ("RA", "LP", "AL", "PR")


def test_a_slightly_tilted_gantry_changes_nothing():
    assert edge_marks([1, 0, 0, 0, 0.97, -0.24]) == ("R", "L", "A", "P")


@pytest.mark.parametrize("orientation", [[], [1, 0, 0], [0, 0, 0, 0, 1, 0], [1, 0, 0, float("nan"), 1, 0]])
def test_what_is_not_known_has_no_letters(orientation):
    assert edge_marks(orientation) is None
