"""Which slices the Slices tab shows, and in which order: filters over the index, as rows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.viewer.scatter import Polygon, inside
from pipeline.data.table import OK

# What slices can be sorted, drawn and coloured by: title -> column of the index.
STATISTICS = {
    "Mean intensity": "intensity_mean",
    "Contrast": "intensity_std",
    "Darkest": "intensity_min",
    "Brightest": "intensity_max",
    "Median grey": "p50",
    "Dark share": "dark_fraction",
    "Sharpness": "sharpness",
    "Blur": "blur",
    "Noise": "noise",
    "Entropy": "entropy",
    "Border brightness": "border_mean",
    "Lung fraction": "lung_fraction",
    "Lung contrast": "lung_contrast",
    "Marks": "marks",
    "Width": "width",
    "Height": "height",
    "Channels": "channels",
    "Bit depth": "bit_depth",
    "Pixel spacing": "pixel_spacing",
    "Position": "slice_location",
    "File size": "bytes",
}
PATH = "Path"
MAP, MAP_UP = "Map", "Map, up"  # the axes of the map of slices that look alike
QUALITIES = ("Readable", "Unreadable", "Copies", "All")


@dataclass(frozen=True)
class Lasso:
    """A line drawn around points of a scatter: what its axes were, and its corners in their units."""

    x: str
    y: str
    polygon: Polygon


@dataclass(frozen=True)
class Filters:
    """What the user wants to see; empty means everything.

    `values` are (column, value) pairs; `ids` the slices of a finding called `finding`.
    """

    labels: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    quality: str = "Readable"
    text: str = ""
    finding: str = ""
    ids: tuple[str, ...] = field(default=(), repr=False)
    lasso: Lasso | None = None
    sort: str = PATH
    descending: bool = False


ValuesOf = Callable[[str], NDArray[np.float64]]


def select_rows(
    index: pd.DataFrame, filters: Filters, values_of: ValuesOf | None = None
) -> NDArray[np.int64]:
    """Return the rows (positions) that pass the filters, in order; those without the sorted value come last.

    Args:
        index: in the order of paths and frames, with `copies` (copies of each slice).
        values_of: the numbers that an axis of the lasso stands for, one a row; default: the index's columns.
    """
    keep = _passing(index, filters)
    if filters.lasso is not None:
        of = values_of or (lambda name: numbers(index, name))
        keep &= inside(of(filters.lasso.x), of(filters.lasso.y), filters.lasso.polygon)
    rows = np.flatnonzero(keep)
    return _sorted(index, rows, filters)


def numbers(index: pd.DataFrame, title: str) -> NDArray[np.float64]:
    """Return a statistic by its title, one float a row, not-a-number where unknown."""
    return np.asarray(index[STATISTICS[title]].to_numpy(np.float64, na_value=np.nan))


def statistics_of(index: pd.DataFrame) -> list[str]:
    """Return the titles of the statistics that some slice has, and that differ."""
    return [
        title
        for title, column in STATISTICS.items()
        if column in index and index[column].notna().any() and index[column].min() < index[column].max()
    ]


def _passing(index: pd.DataFrame, filters: Filters) -> NDArray[np.bool_]:
    readable = _equal(index["status"], OK)
    if filters.quality == "Readable":
        keep = readable
    elif filters.quality == "Unreadable":
        keep = ~readable
    elif filters.quality == "Copies":
        keep = index["copies"].to_numpy() > 0
    else:
        keep = np.ones(len(index), bool)
    if filters.labels:
        keep = keep & _flags(index["label"].isin(filters.labels))
    for column, value in filters.values:
        keep = keep & _equal(index[column], value)
    if filters.finding:
        keep = keep & _flags(index["slice_id"].isin(filters.ids))
    if needle := filters.text.strip():
        keep = keep & _containing(index, needle)
    return keep.copy()


def _containing(index: pd.DataFrame, needle: str) -> NDArray[np.bool_]:
    found = np.zeros(len(index), bool)
    for column in ("path", "patient_id", "slice_id"):
        found |= _flags(index[column].str.contains(needle, case=False, regex=False, na=False))
    return found


def _equal(column: pd.Series, value: str) -> NDArray[np.bool_]:
    return _flags((column == value).fillna(False))


def _flags(column: pd.Series) -> NDArray[np.bool_]:
    return column.to_numpy(bool)


def _sorted(index: pd.DataFrame, rows: NDArray[np.int64], filters: Filters) -> NDArray[np.int64]:
    """Return the rows in the wanted order; equal ones stay in the order of paths."""
    if filters.sort == PATH and filters.quality == "Copies":
        codes, _ = pd.factorize(index["cluster"].iloc[rows], sort=True)
        rows = rows[np.argsort(codes, kind="stable")]
    if filters.sort == PATH:
        return rows[::-1] if filters.descending else rows
    values = numbers(index, filters.sort)[rows]
    known = ~np.isnan(values)
    order = np.argsort(-values[known] if filters.descending else values[known], kind="stable")
    return np.concatenate([rows[known][order], rows[~known]])


def place_of(rows: Sequence[int] | NDArray[np.int64], row: int | None) -> int | None:
    """Return where a row stands among the selected, None where it doesn't.

    >>> place_of([4, 7, 9], 7), place_of([4, 7, 9], 5)
    (1, None)
    """
    if row is None:
        return None
    found = np.flatnonzero(np.asarray(rows) == row)
    return int(found[0]) if len(found) else None


def row_of(index: pd.DataFrame, slice_id: str | None) -> int | None:
    """Return the row of a slice, None where the index has no such slice."""
    if slice_id is None:
        return None
    found = np.flatnonzero(_equal(index["slice_id"], slice_id))
    return int(found[0]) if len(found) else None
