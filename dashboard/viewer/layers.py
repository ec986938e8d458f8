"""What the viewer can show: panels made of layers and outlines.

The first layer of a panel is its base; its pixels are the panel's coordinates (row, column). Further layers
lie over it, stretched to its extent whatever their own size. Layers of one kind with the same `name` share
their window over all panels, so give two slices that are windowed apart two names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dashboard.viewer.colormaps import COLORMAPS
from pipeline.errors import HilumError

LONGEST_SIDE = 8192
ColormapName = Literal["inferno", "viridis", "turbo", "jet", "coolwarm"]


class ViewerDataError(HilumError):
    """An array or setting that the viewer cannot show."""


@dataclass(frozen=True, eq=False)
class GreyLayer:
    """An 8-bit grey picture, uint8 (rows, columns); shown with `center` and `width` of grey levels."""

    image: NDArray[np.uint8]
    name: str = "slice"
    center: float = 127.5
    width: float = 255.0

    def __post_init__(self) -> None:
        _check(self.image, "GreyLayer", np.uint8, 2)
        _check_window(self.center, self.width)


@dataclass(frozen=True, eq=False)
class HuLayer:
    """A slice in HU, of any real dtype (rows, columns), windowed in the browser: lung by default.

    It is sent as int16. Values are rounded and clipped to [-32768, 32767]; not-a-number becomes -32768.
    """

    image: NDArray[Any]
    name: str = "slice"
    center: float = -600.0
    width: float = 1500.0

    def __post_init__(self) -> None:
        _check(self.image, "HuLayer", None, 2)
        _check_window(self.center, self.width)


@dataclass(frozen=True, eq=False)
class HeatLayer:
    """A heatmap, float (rows, columns), coloured in the browser, with a colour bar in `unit`.

    `low` and `high` are the ends of the colour scale (default: 0 and the greatest value; for a signed map
    `-m` and `m` with m the greatest magnitude). Give them, so that equal colours mean equal values across
    pictures. `signed=True` takes coolwarm, with the threshold on the magnitude. `threshold` is the share of
    the scale, [0, 1], below which nothing is drawn. `fade` makes weak heat more transparent than strong.
    Not-a-number is drawn as nothing.
    """

    values: NDArray[Any]
    name: str = "heat"
    low: float | None = None
    high: float | None = None
    colormap: ColormapName | None = None
    signed: bool = False
    opacity: float = 0.45
    threshold: float = 0.0
    fade: bool = True
    unit: str = ""

    def __post_init__(self) -> None:
        _check(self.values, "HeatLayer", None, 2)
        _check_share("opacity", self.opacity)
        _check_share("threshold", self.threshold)
        if self.colormap is not None and self.colormap not in COLORMAPS:
            raise ViewerDataError(f"Received colormap {self.colormap!r}; take one of {', '.join(COLORMAPS)}.")
        low, high = self.scale
        if not low < high:
            raise ViewerDataError(f"HeatLayer needs low < high; received {low} and {high}.")

    @property
    def scale(self) -> tuple[float, float]:
        """The ends of the colour scale."""
        finite = self.values[np.isfinite(self.values)]
        greatest = float((np.abs(finite) if self.signed else finite).max(initial=0.0))
        high = float(self.high if self.high is not None else greatest or 1.0)
        zero = 0.0 if high > 0 else high - 1.0
        low = float(self.low if self.low is not None else (-high if self.signed else zero))
        return low, high


@dataclass(frozen=True, eq=False)
class ColorLayer:
    """A colour picture, uint8 RGB or RGBA (rows, columns, 3 or 4)."""

    image: NDArray[np.uint8]
    name: str = "picture"
    opacity: float = 1.0

    def __post_init__(self) -> None:
        _check(self.image, "ColorLayer", np.uint8, 3)
        _check_share("opacity", self.opacity)


@dataclass(frozen=True, eq=False)
class MaskLayer:
    """A region (rows, columns): whatever is not 0 or False is filled with `color` (CSS `#rrggbb`)."""

    mask: NDArray[Any]
    name: str = "mask"
    color: str = "#35c2a5"
    opacity: float = 0.35

    def __post_init__(self) -> None:
        _check(self.mask, "MaskLayer", None, 2)
        _check_share("opacity", self.opacity)
        _check_color(self.color)


Layer = GreyLayer | HuLayer | HeatLayer | ColorLayer | MaskLayer


@dataclass(frozen=True, eq=False)
class Outline:
    """Closed curves over a panel: arrays (n, 2) of (column, row); whole numbers are pixel centres."""

    polygons: Sequence[NDArray[Any]]
    name: str = "outline"
    color: str = "#35c2a5"
    width: float = 1.6

    def __post_init__(self) -> None:
        _check_color(self.color)
        for polygon in self.polygons:
            shape = np.shape(polygon)
            if len(shape) != 2 or shape[1] != 2:
                raise ViewerDataError(
                    f"An outline is an array (n, 2) of (column, row); received shape {shape}."
                )


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture: layers from the bottom up, outlines, a title and a short caption.

    `spacing` is the pixel's size in mm, one number or (row, column): it brings the scale bar, mm under the
    cursor and the right shape where pixels are not square. `marks` are the sides of the body at the left,
    right, top and bottom edge, such as ("R", "L", "A", "P").
    """

    layers: Sequence[Layer]
    title: str = ""
    caption: str = ""
    outlines: Sequence[Outline] = ()
    spacing: float | tuple[float, float] | None = None
    marks: tuple[str, str, str, str] | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise ViewerDataError(f"The panel {self.title!r} has no layer; give it at least one picture.")
        if isinstance(self.layers[0], HeatLayer | MaskLayer):
            raise ViewerDataError(
                "The first layer of a panel is its picture: GreyLayer, HuLayer or ColorLayer."
            )

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Pixel size (row, column) in mm, None where it is unknown or no positive number."""
        if self.spacing is None:
            return None
        row, column = self.spacing if isinstance(self.spacing, tuple) else (self.spacing, self.spacing)
        known = np.isfinite([row, column]).all() and row > 0 and column > 0
        return (float(row), float(column)) if known else None


@dataclass(frozen=True)
class Stack:
    """Where the slice shown lies in its series.

    Attributes:
        position: of the slice, from 0.
        count: of slices in the series.
        label: what is known of this place, such as "-210.5 mm".
        colors: CSS `#rrggbb` of each slice, drawn as a strip; none or `count` of them.
    """

    position: int
    count: int
    label: str = ""
    colors: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.position < self.count:
            raise ViewerDataError(f"A stack of {self.count} slices has no position {self.position}.")
        if len(self.colors) not in (0, self.count):
            raise ViewerDataError(
                f"A stack of {self.count} slices takes as many colours; received {len(self.colors)}."
            )
        for color in set(self.colors):
            _check_color(color)


def _check(array: NDArray[Any], what: str, dtype: type | None, dimensions: int) -> None:
    expected = f"{np.dtype(dtype).name if dtype else 'numbers'} with {dimensions} dimensions"
    if not isinstance(array, np.ndarray) or array.ndim != dimensions or 0 in array.shape:
        raise ViewerDataError(f"{what} expects {expected}; received {_describe(array)}.")
    if dtype is not None and array.dtype != dtype:
        raise ViewerDataError(f"{what} expects {expected}; received {_describe(array)}.")
    if dtype is None and array.dtype.kind not in "buif":
        raise ViewerDataError(f"{what} expects {expected}; received {_describe(array)}.")
    if dimensions == 3 and array.shape[2] not in (3, 4):
        raise ViewerDataError(f"{what} expects 3 (RGB) or 4 (RGBA) channels; received {_describe(array)}.")
    if max(array.shape[:2]) > LONGEST_SIDE:
        raise ViewerDataError(
            f"A picture of {array.shape[1]} x {array.shape[0]} is larger than the viewer shows "
            f"({LONGEST_SIDE} pixels a side); reduce it first."
        )


def _describe(array: object) -> str:
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__


def _check_window(center: float, width: float) -> None:
    if not (np.isfinite(center) and np.isfinite(width) and width > 0):
        raise ViewerDataError(f"A window needs a centre and a width above 0; received {center} and {width}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ViewerDataError(f"{name} lies in [0, 1]; received {value}.")


def _check_color(color: str) -> None:
    if not (len(color) == 7 and color[0] == "#" and all(c in "0123456789abcdefABCDEF" for c in color[1:])):
        raise ViewerDataError(f"A colour is written #rrggbb; received {color!r}.")
