"""Slices that belong together as one stack through the body."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd

from pipeline.data.table import OK


def head_first(locations: Sequence[float | None], names: Sequence[tuple[str, int]]) -> list[int]:
    """Return the order of a series' slices from the head down, as their places in what is given.

    It is by location along the body (mm), falling; where one is unknown, by path and frame, numbers in names
    as numbers.

    >>> head_first([-200.0, -100.0, -150.0], [("a", 0), ("b", 0), ("c", 0)])
    [1, 2, 0]
    >>> head_first([None, None], [("IM10", 0), ("IM9", 0)])
    [1, 0]
    """
    by_name = [(_counted(path), path, frame) for path, frame in names]
    known = [location for location in locations if location is not None and not math.isnan(location)]
    if len(known) < len(names):
        return sorted(range(len(names)), key=lambda at: by_name[at])
    return sorted(range(len(names)), key=lambda at: (-known[at], by_name[at]))


def _counted(name: str) -> list[tuple[str, int]]:
    """Return a name in parts that sort as a person counts: each text with the number after it."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)([0-9]*)", name)]


def series_of(index: pd.DataFrame, slice_id: str) -> pd.DataFrame:
    """Return the readable slices of a slice's series in anatomical order, from the head down.

    A series is what has one `series_uid`; where that is unknown, the frames of one file. See `head_first`.

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
    names = list(zip(rows["path"], rows["frame"], strict=True))
    return rows.iloc[head_first(list(rows["slice_location"]), names)]
