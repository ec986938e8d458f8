"""Stacks of slices."""

import numpy as np
import pandas as pd

from pipeline.data.series import series_of


def index(**columns: list) -> pd.DataFrame:
    count = len(columns["slice_id"])
    usual = {
        "series_uid": [None] * count,
        "path": [f"{name}.dcm" for name in columns["slice_id"]],
        "frame": [0] * count,
        "slice_location": [np.nan] * count,
        "status": ["ok"] * count,
    }
    return pd.DataFrame(usual | columns)


def test_a_series_goes_from_the_head_down_whatever_the_files_order():
    table = index(slice_id=list("abc"), series_uid=["s"] * 3, slice_location=[-200.0, -100.0, -150.0])
    assert list(series_of(table, "a")["slice_id"]) == ["b", "c", "a"]


def test_other_series_and_unreadable_slices_are_left_out():
    table = index(
        slice_id=list("abcd"),
        series_uid=["s", "t", "s", "s"],
        slice_location=[1.0, 2.0, 3.0, 4.0],
        status=["ok", "ok", "ok", "corrupt"],
    )
    assert list(series_of(table, "a")["slice_id"]) == ["c", "a"]


def test_frames_of_one_file_belong_together_in_their_order():
    table = index(slice_id=list("abc"), path=["x.tif", "x.tif", "y.tif"], frame=[1, 0, 0])
    assert list(series_of(table, "a")["slice_id"]) == ["b", "a"]


def test_a_slice_that_is_not_there_has_no_series():
    assert series_of(index(slice_id=["a"]), "z").empty
