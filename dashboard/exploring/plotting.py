"""The scatter of the Slices tab: a map of slices that look alike, or two statistics against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard import widgets
from dashboard.charts import class_colors
from dashboard.charts.theme import FURTHER_CLASSES, KNOWN_CLASSES
from dashboard.exploring.selecting import MAP, MAP_UP, Filters, place_of
from dashboard.loaders import overview as load_overview
from dashboard.viewer.scatter import NONE, Points, Tiles, scatter, shades

MOST_POINTS = 20_000
KEY = "explore-scatter"
_CATEGORIES = {"Class": "label", "Source": "source", "Part": "part", "Format": "format"}
_COLORS = (*FURTHER_CLASSES, *KNOWN_CLASSES.values(), "#7fb2a0", "#c7a76c")  # those of categories


@dataclass(frozen=True)
class Axes:
    """What is drawn across, up, and as colour: titles of statistics or categories."""

    x: str
    y: str
    color: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the scatter shows: the rows behind its points, and what its axes are."""

    rows: NDArray[np.int64]
    x: str
    y: str
    caption: str = ""


def draw_scatter(
    dataset: str,
    index: pd.DataFrame,
    rows: NDArray[np.int64],
    filters: Filters,
    chosen: int | None,
    axes: Axes,
) -> Drawn:
    """Draw the rows (those that pass every filter but the drawn line) and return what is on the scatter."""
    x, y, color = axes.x, axes.y, axes.color
    across, up = load_overview.values_of(dataset, x), load_overview.values_of(dataset, y)
    known = rows[np.isfinite(across[rows]) & np.isfinite(up[rows])]
    shown = np.sort(known)
    if len(shown) > MOST_POINTS:
        shown = shown[np.linspace(0, len(shown) - 1, MOST_POINTS).astype(int)]
    drawn = Drawn(shown, x, y)
    if not len(shown):
        widgets.callout("No slice that passes the filters has both numbers.", tone="neutral")
        return drawn
    colors, palette, legend, ramp = _colors(dataset, index, shown, color)
    lasso = filters.lasso
    stands = lasso is not None and (lasso.x, lasso.y) == (x, y)
    points = Points(
        across[shown], up[shown], colors, palette, legend, ramp=ramp, x_title=x, y_title=y, plain=x == MAP
    )
    scatter(
        points,
        key=KEY,
        height=312,
        selected=place_of(shown, chosen),
        lasso=lasso.polygon if stands and lasso else (),
        tiles=_tiles(dataset, shown),
    )
    return replace(drawn, caption=_caption(dataset, x, rows, known, shown))


def draw_choices(dataset: str, index: pd.DataFrame) -> Axes:
    """Draw what the scatter's axes and colours are, in a line that is there already, and return it."""
    statistics = load_overview.statistics(dataset)
    categories = [title for title, column in _CATEGORIES.items() if index[column].notna().any()]
    x = _choice("Across", [MAP, *statistics], "explore.x")
    y = MAP_UP
    if x != MAP:
        y = _choice("Up", [each for each in statistics if each != x], "explore.y")
    return Axes(x, y, _choice("Colour", [*categories, *statistics], "explore.color"))


def _choice(label: str, options: list[str], key: str) -> str:
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]
    return str(st.selectbox(label, options, key=key, width=190))


def _colors(
    dataset: str, index: pd.DataFrame, rows: NDArray[np.int64], color: str
) -> tuple[NDArray[np.uint8], list[str], list[tuple[str, str]], tuple[str, str] | None]:
    """Return the points' colours, the palette, its legend and, for a statistic, the ends of its ramp."""
    if color not in _CATEGORIES:
        colors, palette, ends = shades(load_overview.values_of(dataset, color)[rows])
        low, high = (f"{end:,.{0 if abs(end) >= 100 else 2}f}" for end in ends)
        return colors, palette, [], (f"{color} {low}", high)
    column = _CATEGORIES[color]
    labels = load_overview.labels(dataset) if color == "Class" else load_overview.choices(dataset, column)
    named = class_colors(labels) if color == "Class" else {}
    shown = labels[: len(_COLORS)]  # the rest is grey
    palette = [named.get(label, _COLORS[number]) for number, label in enumerate(shown)]
    values = index[column].iloc[rows]
    codes = pd.Index(shown).get_indexer(pd.Index(values))
    legend = list(zip(shown, palette, strict=True))
    if (codes < 0).any():
        legend.append(("others" if len(labels) > len(shown) else "unknown", "#7a8494"))
    return np.where(codes < 0, NONE, codes).astype(np.uint8), palette, legend, None


def _tiles(dataset: str, rows: NDArray[np.int64]) -> Tiles:
    """Return the sheet of small pictures, and which tile belongs to each row."""
    drawn = load_overview.slice_map(dataset)
    numbers = np.full(len(rows), -1)
    if len(drawn.rows):
        at = np.searchsorted(drawn.rows, rows).clip(max=len(drawn.rows) - 1)
        numbers = np.where(drawn.rows[at] == rows, at, -1)
    return Tiles(drawn.sheet, drawn.tile, drawn.columns, numbers)


def _caption(
    dataset: str, x: str, rows: NDArray[np.int64], known: NDArray[np.int64], shown: NDArray[np.int64]
) -> str:
    words = []
    if x == MAP:
        drawn = load_overview.slice_map(dataset)
        words.append(
            "Slices that look alike lie together (principal components of small pictures: "
            f"{drawn.explained[0]:.0%} and {drawn.explained[1]:.0%} of what differs)."
        )
        if drawn.readable > len(drawn.rows):
            words.append(f"{len(drawn.rows):,} of {drawn.readable:,} slices, drawn evenly.")
    elif len(shown) < len(known):
        words.append(f"{len(shown):,} of {len(known):,} slices are drawn, evenly; a line selects among all.")
    if x != MAP and len(known) < len(rows):
        words.append(f"{len(rows) - len(known):,} without both numbers are left out.")
    return " ".join(words)
