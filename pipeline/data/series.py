"""Slices that belong together as one stack through the body."""

from __future__ import annotations

import pandas as pd

from pipeline.data.table import OK


def series_of(index: pd.DataFrame, slice_id: str) -> pd.DataFrame:
    """Return the readable slices of a slice's series in anatomical order, from the head down.

    A series is what has one `series_uid`; where that is unknown, the frames of one file. Its order is by
    `slice_location`, falling; where a location is unknown, by path and frame.

    Args:
        index: with `slice_id`, `series_uid`, `path`, `frame`, `slice_location` and `status`.

    Returns:
        The rows of the index; none where the slice is not in it or could not be read.
    """
    readable = index["status"] == OK
    own = index[(index["slice_id"] == slice_id) & readable]
    if own.empty:
        return own
    series, path = own.iloc[0]["series_uid"], own.iloc[0]["path"]
    same = index["series_uid"] == series if isinstance(series, str) else index["path"] == path
    rows = index[same & readable]
    if rows["slice_location"].isna().any():
        return rows.sort_values(["path", "frame"], kind="stable")
    return rows.sort_values(["slice_location", "path", "frame"], ascending=[False, True, True], kind="stable")
