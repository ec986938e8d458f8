"""Mounts the viewer: reads its JavaScript and CSS, packs the panels, and hands back what the user did."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from dashboard.viewer.colormaps import COLORMAPS, colormap
from dashboard.viewer.encode import Packer, describe_panels, describe_stack
from dashboard.viewer.layers import Panel, Stack, ViewerDataError
from dashboard.widgets.parts import NOTICE

HERE = Path(__file__).parent
# The order in which the parts are put together into one module; the last one exports the component.
SCRIPTS = (
    "decode", "raster", "geometry", "state", "overlay", "panel",
    "pointer", "toolbar", "stack", "keyboard", "export", "viewer",
)  # fmt: skip
HEIGHTS = {1: 560, 2: 470, 3: 380}  # of a row of pictures, by number of columns
WINDOW_PRESETS = (("Lung", -600, 1500), ("Soft tissue", 40, 400), ("Bone", 400, 1800), ("Wide", -300, 2600))
Event = Literal["click", "step"]
Preset = tuple[str, float, float]  # name, centre, width


@dataclass(frozen=True)
class Click:
    """A point that the user clicked: which panel, and the pixel of its first layer."""

    panel: int
    title: str
    row: int
    column: int


@dataclass(frozen=True)
class ViewerState:
    """What the user did since the last run, None where nothing.

    Attributes:
        clicked: the point.
        step: to the previous (-1) or the next (1) picture.
        seek: the position in the stack that is asked for.
    """

    clicked: Click | None = None
    step: int | None = None
    seek: int | None = None


def viewer(
    panels: Sequence[Panel],
    *,
    key: str,
    subject: str = "",
    columns: int | None = None,
    height: int | None = None,
    link: bool = True,
    toolbar: bool = True,
    digits: bool = True,
    stack: Stack | None = None,
    presets: Sequence[Preset] = (),
    events: Sequence[Event] = (),
) -> ViewerState:
    """Show panels side by side and return what the user did.

    `key` keeps the user's zoom, window and settings over reruns and page changes. `subject` says what is
    shown, for example a slice id: where it changes, zoom and pan start afresh and the window stays. `columns`
    defaults to all panels in one row up to four; `height` is the height in pixels of one row of pictures.
    With `link` the panels share zoom, pan and cursor. `digits=False` leaves the keys 1 to 9,
    which choose window presets, to the page. With a `stack` the wheel goes through it and asks for news by
    `seek`. `presets` are windows of these very slices (such as the one stored with them), offered before the
    usual ones. `events` asks for news: "click" (a point), "step" (arrow keys and buttons); without a stack
    and without it, nothing that the user does in the viewer runs the page again.

    Raises:
        ViewerDataError: there is no panel, or a panel cannot be shown.
    """
    if not panels:
        raise ViewerDataError("The viewer was given no panel; show an empty state instead.")
    columns = columns or min(len(panels), 4)
    packer = Packer()
    described = describe_panels(list(panels), packer)
    header = {
        "key": key,
        "subject": subject,
        "columns": columns,
        "height": height or HEIGHTS.get(columns, 300),
        "link": link,
        "toolbar": toolbar,
        "digits": digits,
        "events": list(events),
        "notice": NOTICE,
        "presets": [*presets, *WINDOW_PRESETS],
        "stack": describe_stack(stack),
        "panels": described,
    }
    header["digest"] = hashlib.blake2b(json.dumps(header).encode(), digest_size=12).hexdigest()
    result = _component()(
        key=key,
        data=packer.pack(header),
        on_click_change=_nothing,
        on_step_change=_nothing,
        on_seek_change=_nothing,
    )
    return ViewerState(
        clicked=_read_click(result.get("click")),
        step=_read_step(result.get("step")),
        seek=_read_seek(result.get("seek"), stack),
    )


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hilum_viewer",
        css=(HERE / "viewer.css").read_text("utf-8"),
        js=source(),
        html='<div class="viewer"></div>',
    )


def source() -> str:
    """Return the viewer's JavaScript: the colour maps, then the parts in order, as one module."""
    maps = {name: base64.b64encode(colormap(name).tobytes()).decode() for name in COLORMAPS}
    parts = [(HERE / "js" / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return f"const COLORMAPS = {json.dumps(maps)};\n" + "\n".join(parts)


def _nothing() -> None:
    """Streamlit reports only events that have a callback."""


def _read_click(value: Any) -> Click | None:
    match value:
        case {"panel": int(panel), "title": str(title), "row": int(row), "column": int(column)}:
            return Click(panel, title, row, column)
    return None


def _read_step(value: Any) -> int | None:
    return value if value in (-1, 1) else None


def _read_seek(value: Any, stack: Stack | None) -> int | None:
    if stack is None or not isinstance(value, int) or not 0 <= value < stack.count:
        return None
    return value if value != stack.position else None
