"""A scatter of slices: hover shows the slice, a click opens it, a line drawn around slices selects them.

    state = scatter(points, key="map", tiles=Tiles(sheet, tile=32, columns=142))
    state.picked        # a point that was clicked
    state.lasso         # the line that was drawn, in the axes' units

Points are drawn on a canvas, which a machine without a GPU shows as fast as one with; no point is an element
of the page. Only the line comes back, never the points inside it: `inside` finds these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from dashboard.viewer.colormaps import colormap
from dashboard.viewer.layers import ViewerDataError

HERE = Path(__file__).parent
MOST_POINTS = 50_000
MOST_CORNERS = 400  # of a line that comes back
NONE = 255  # the colour of what has no value
_SHADES = 200  # of a ramp
Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Points:
    """Points to draw.

    Attributes:
        x, y: (n,) finite numbers.
        colors: (n,) uint8 indices into `palette`; 255 is "no value", drawn in grey.
        palette: CSS `#rrggbb`.
        legend: (label, colour) pairs, or (low, high) as text where `ramp` is set.
        sizes: (n,) radii in pixels, else all are alike.
        x_title, y_title: of the axes; `plain` draws no axes, for a map whose units mean nothing.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    colors: NDArray[np.uint8]
    palette: Sequence[str]
    legend: Sequence[tuple[str, str]] = ()
    sizes: NDArray[Any] | None = None
    ramp: tuple[str, str] | None = None
    x_title: str = ""
    y_title: str = ""
    plain: bool = False

    def __post_init__(self) -> None:
        count = len(self.x)
        if not len(self.y) == len(self.colors) == count:
            raise ViewerDataError(
                f"A scatter takes as many x, y and colours; received {count}, {len(self.y)} and "
                f"{len(self.colors)}."
            )
        if count > MOST_POINTS:
            raise ViewerDataError(f"A scatter shows up to {MOST_POINTS:,} points; received {count:,}.")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise ViewerDataError("A point of a scatter needs two finite numbers.")


@dataclass(frozen=True, eq=False)
class Tiles:
    """Square tiles on one JPEG, `columns` in a row; `numbers` says which is each point's (-1: none)."""

    sheet: bytes
    tile: int
    columns: int
    numbers: NDArray[Any]


@dataclass(frozen=True)
class ScatterState:
    """What the user did since the last run: the point clicked; the line drawn (empty: taken away)."""

    picked: int | None = None
    lasso: Polygon | None = None


def scatter(
    points: Points,
    *,
    key: str,
    height: int = 380,
    selected: int | None = None,
    lasso: Polygon = (),
    tiles: Tiles | None = None,
    unit: str = "slices",
) -> ScatterState:
    """Draw a scatter and return what the user did. `lasso` is the line that stands, `selected` a point."""
    described: dict[str, Any] = {
        "count": len(points.x),
        "palette": list(points.palette),
        "legend": [list(pair) for pair in points.legend],
        "ramp": list(points.ramp) if points.ramp else None,
        "titles": [points.x_title, points.y_title],
        "plain": points.plain,
        "sized": points.sizes is not None,
        "height": height,
        "unit": unit,
        "tiles": None,
    }
    if tiles is not None and tiles.sheet:
        name = hashlib.blake2b(tiles.sheet, digest_size=12).hexdigest()
        described["tiles"] = {"name": name, "tile": tiles.tile, "columns": tiles.columns}
        # A message of its own: it stays the same, and is sent once, while colours and lines change.
        _sheet_component()(key=f"{key}-sheet", data=_packed({"name": name}, tiles.sheet))
    blocks = [np.asarray(points.x, "<f4").tobytes(), np.asarray(points.y, "<f4").tobytes()]
    if described["tiles"] is not None and tiles is not None:
        blocks.append(np.asarray(tiles.numbers, "<i4").tobytes())
    blocks.append(np.asarray(points.colors, np.uint8).tobytes())
    if points.sizes is not None:
        blocks.append(np.asarray(points.sizes).clip(1, 255).astype(np.uint8).tobytes())
    data = b"".join(blocks)
    digest = hashlib.blake2b(data, digest_size=12)
    digest.update(json.dumps(described).encode())
    header = described | {
        "digest": digest.hexdigest(),
        "selected": selected,
        "lasso": [list(at) for at in lasso],
    }
    result = _component()(
        key=key, data=_packed(header, data), on_pick_change=_nothing, on_lasso_change=_nothing
    )
    return read_state(result, len(points.x))


def read_state(reported: Mapping[str, Any] | None, count: int) -> ScatterState:
    """Return what a scatter of `count` points reported, as its key holds it in the session.

    The session holds it before the scatter is drawn again, so a page can heed it at once.
    """
    if reported is None:
        return ScatterState()
    return ScatterState(_read_pick(reported.get("pick"), count), _read_lasso(reported.get("lasso")))


def inside(x: ArrayLike, y: ArrayLike, polygon: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which points lie inside a closed line, by the even-odd rule; not-a-number never does.

    >>> inside([1.0, 3.0], [1.0, 1.0], [(0, 0), (2, 0), (2, 2), (0, 2)]).tolist()
    [True, False]
    """
    column, row = np.asarray(x, np.float64), np.asarray(y, np.float64)
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    found = np.zeros(column.shape, bool)
    if len(corners) < 3:
        return found
    (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((column >= left) & (column <= right) & (row >= low) & (row <= high))
    px, py, odd = column[near], row[near], np.zeros(len(near), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > py) != (y1 > py)) & (px < (x1 - x0) * (py - y0) / (y1 - y0) + x0)
    found[near] = odd
    return found


def shades(values: NDArray[np.float64]) -> tuple[NDArray[np.uint8], list[str], tuple[float, float]]:
    """Return colours for numbers: index into a viridis ramp (255: no value), the ramp, and its ends.

    The ends are the 1st and the 99th percentile, so that one odd slice doesn't take all the colours.
    """
    ramp = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, *_ in colormap("viridis")]
    picked = np.linspace(20, len(ramp) - 1, _SHADES).astype(int)
    known = np.isfinite(values)
    low, high = np.percentile(values[known], [1, 99]) if known.any() else (0.0, 1.0)
    scaled = np.clip((values - low) / (high - low if high > low else 1.0), 0, 1) * (_SHADES - 1)
    colors = np.full(len(values), NONE, np.uint8)
    colors[known] = scaled[known].astype(np.uint8)
    return colors, [ramp[one] for one in picked], (float(low), float(high))


def _packed(header: dict[str, Any], data: bytes) -> bytes:
    """Return a JSON header and bytes as one block; the header ends at a multiple of four bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + data


def _read_pick(value: Any, count: int) -> int | None:
    return value if isinstance(value, int) and 0 <= value < count else None


def _read_lasso(value: Any) -> Polygon | None:
    if not isinstance(value, list) or len(value) > MOST_CORNERS:
        return None
    corners = tuple(
        (float(at[0]), float(at[1]))
        for at in value
        if isinstance(at, list) and len(at) == 2 and all(isinstance(each, int | float) for each in at)
    )
    return corners if len(corners) == len(value) else None


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hilum_scatter",
        html='<div class="scatter"></div>',
        css=(HERE / "scatter.css").read_text("utf-8"),
        js=(HERE / "scatter.js").read_text("utf-8"),
    )


@cache
def _sheet_component() -> Any:
    return st.components.v2.component(
        "hilum_scatter_sheet",
        html="<i hidden></i>",
        js=(HERE / "sheet.js").read_text("utf-8"),
    )


def _nothing() -> None:
    """Streamlit reports only events that have a callback."""
