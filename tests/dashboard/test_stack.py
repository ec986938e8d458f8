"""The picked slice in its series."""

import numpy as np
import pandas as pd
import pytest

from dashboard.exploring.stack import find_stack, stored_window


@pytest.fixture
def index() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "slice_id": ["low", "high", "alone", "middle"],
            "series_uid": ["s", "s", None, "s"],
            "path": ["1.dcm", "2.dcm", "3.png", "4.dcm"],
            "frame": 0,
            "slice_location": [-300.25, -100.0, np.nan, -200.0],
            "status": "ok",
            "label": ["negative", "positive", "positive", None],
        }
    )


def test_a_slice_knows_its_place_from_the_head_down(index):
    stack, ids = find_stack(index, "low", ["positive", "negative"])
    assert ids == ["high", "middle", "low"]
    assert stack is not None
    assert (stack.position, stack.count, stack.label) == (2, 3, "\u2212300.2 mm")
    assert len(set(stack.colors)) == 3


def test_a_slice_without_a_series_has_no_stack(index):
    assert find_stack(index, "alone", []) == (None, [])


def test_the_stored_window_is_offered_for_hounsfield_units_only():
    row = pd.Series({"window_center": 40.0, "window_width": 400.0, "intensity": "hu"})
    assert stored_window(row) == [("As stored", 40.0, 400.0)]
    assert stored_window(row.replace({"hu": "grey"})) == []
    assert stored_window(pd.Series({"window_center": np.nan, "window_width": 400.0, "intensity": "hu"})) == []
