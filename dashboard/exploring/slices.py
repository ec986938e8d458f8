"""The Slices tab: filters, a paged gallery or a scatter, and the picked slice with its facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.exploring import plotting
from dashboard.exploring.deciding import draw_slice_actions
from dashboard.exploring.facts import facts_html, text_of
from dashboard.exploring.filters import draw_filters, set_lasso
from dashboard.exploring.selecting import Filters, Lasso, place_of, row_of, select_rows
from dashboard.exploring.stack import find_stack, stored_window
from dashboard.loaders import explore as load
from dashboard.loaders import overview as load_overview
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, GreyLayer, HuLayer, Panel, gallery, viewer
from dashboard.viewer.scatter import read_state

PAGE = 40
GALLERY, SCATTER = "Gallery", "Scatter"
_SHOWN = "explore.drawn"  # what the browser has before it: ids of the gallery, rows of the scatter, selection
_VIEWER, _GALLERY = "explore", "explore-gallery"


@st.fragment
@widgets.guarded("The slices could not be shown.")
def draw_slices(dataset: str) -> None:
    """Draw filters, gallery or scatter, and the picked slice; a change draws this tab again, and only it."""
    index = load.index(dataset)
    _hear(dataset, index)
    filters = draw_filters(dataset)
    unlined = select_rows(index, replace(filters, lasso=None))
    found = _within(dataset, index, filters, unlined)
    row = row_of(index, widgets.recall("slice"))
    left, right = st.columns([11, 10], gap="medium")
    with left:
        drawn = _draw_found(dataset, index, unlined, found, filters, row)
    st.session_state[_SHOWN] = drawn | {"dataset": dataset, "found": found}
    with right, widgets.guarded("This slice could not be shown."):
        st.session_state[_SHOWN]["series"] = _draw_picked(dataset, index, found, row)


def _hear(dataset: str, index: pd.DataFrame) -> None:
    """Take up what the user did in gallery, scatter and viewer, so that all is drawn once, and after it."""
    shown = st.session_state.get(_SHOWN)
    if shown is None or shown["dataset"] != dataset:
        return
    picked = _reported(_GALLERY, "pick")
    if isinstance(picked, int) and 0 <= picked < len(shown["ids"]):
        widgets.remember("slice", shown["ids"][picked])
    if (drawn := shown["scatter"]) is not None:
        state = read_state(st.session_state.get(plotting.KEY), len(drawn.rows))
        if state.picked is not None:
            widgets.remember("slice", index["slice_id"].iloc[drawn.rows[state.picked]])
            st.session_state["explore.stepped"] = True
        if state.lasso is not None:
            set_lasso(dataset, Lasso(drawn.x, drawn.y, state.lasso) if state.lasso else None)
    step, seek = _reported(_VIEWER, "step"), _reported(_VIEWER, "seek")
    if step in (-1, 1):
        _step(index, shown["found"], step)
    if isinstance(seek, int) and 0 <= seek < len(shown.get("series") or []):
        widgets.remember("slice", shown["series"][seek])
        st.session_state["explore.stepped"] = True


def _reported(key: str, name: str) -> Any:
    """Return what a component reported under its key, None where nothing."""
    state = st.session_state.get(key)
    return state.get(name) if state is not None else None


def _step(index: pd.DataFrame, found: NDArray[np.int64], step: int) -> None:
    """Go to the next or previous slice of the selection, and turn the gallery's page with it."""
    place = place_of(found, row_of(index, widgets.recall("slice")))
    if place is None:
        place = 0 if len(found) else None
    if place is not None:
        row = found[min(max(place + step, 0), len(found) - 1)]
        widgets.remember("slice", index["slice_id"].iloc[row])
        st.session_state["explore.stepped"] = True


def _within(
    dataset: str, index: pd.DataFrame, filters: Filters, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return those of the rows that lie inside the line drawn on a scatter, where there is one."""
    if filters.lasso is None:
        return rows
    return select_rows(index, filters, lambda title: load_overview.values_of(dataset, title))


def _draw_found(
    dataset: str,
    index: pd.DataFrame,
    unlined: NDArray[np.int64],
    found: NDArray[np.int64],
    filters: Filters,
    row: int | None,
) -> dict[str, Any]:
    """Draw gallery or scatter; return what is on them."""
    with _line("explore-found"):
        view = st.segmented_control(
            "View",
            [GALLERY, SCATTER],
            default=GALLERY,
            required=True,
            key="explore.view",
            label_visibility="collapsed",
        )
        count = f'<span class="h-count">{_count(len(found), len(index))}</span>'
        st.html(count, width="stretch" if view == GALLERY else "content")
        axes = plotting.draw_choices(dataset, index) if view == SCATTER else None
        page = _draw_pages(index, found, filters, row) if view == GALLERY else 0
    scatter = None
    if axes is not None:
        scatter = plotting.draw_scatter(dataset, index, unlined, filters, row, axes)
        with _line("explore-pager"):
            st.html(f'<span class="h-small">{scatter.caption}</span>', width="stretch")
            page = _draw_pages(index, found, filters, row)
    ids = _draw_gallery(dataset, index, found, page, row, height=600 if axes is None else 170)
    return {"ids": ids, "scatter": scatter}


def _line(key: str) -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key=key)


def _count(found: int, of: int) -> str:
    slices = f"{found:,} slice{'' if found == 1 else 's'}"
    return slices if found == of else f"{slices} of {of:,}"


def _draw_pages(index: pd.DataFrame, found: NDArray[np.int64], filters: Filters, row: int | None) -> int:
    """Draw the pager where the slices don't fit on one page; return the page, from 0."""
    pages = max(1, -(-len(found) // PAGE))
    _turn_page(found, filters, row)
    st.session_state["explore.page"] = min(st.session_state["explore.page"], pages)
    if pages == 1:
        return 0
    step = st.session_state["explore.page"]
    for icon, target, key in (("chevron_left", step - 1, "back"), ("chevron_right", step + 1, "on")):
        st.button(
            "",
            icon=f":material/{icon}:",
            key=f"explore.{key}",
            disabled=not 1 <= target <= pages,
            help="Previous page" if key == "back" else "Next page",
            on_click=lambda page=target: st.session_state.update({"explore.page": page}),
        )
    number = st.number_input("Page", 1, pages, key="explore.page", label_visibility="collapsed", width=104)
    st.html(f'<span class="h-count">of {pages:,}</span>')
    return int(number) - 1


def _turn_page(found: NDArray[np.int64], filters: Filters, row: int | None) -> None:
    """Open the page of the chosen slice, where it was just stepped to; the first after other filters."""
    state = st.session_state
    if state.get("explore.filters", filters) != filters:
        state["explore.page"] = 1
    elif "explore.page" not in state or state.pop("explore.stepped", False):
        place = place_of(found, row)
        state["explore.page"] = 1 if place is None else place // PAGE + 1
    state["explore.filters"] = filters


def _draw_gallery(
    dataset: str, index: pd.DataFrame, found: NDArray[np.int64], page: int, row: int | None, *, height: int
) -> list[str]:
    """Draw one page of pictures, only that is read and sent; return their ids."""
    if not len(found):
        widgets.callout("No slice passes these filters: take one back.")
        return []
    rows = found[page * PAGE : (page + 1) * PAGE]
    shown = index.iloc[rows]
    labels = load_overview.labels(dataset)
    small = pictures.thumbnails(dataset, shown)
    items = [
        _item(dataset, facts, picture, labels)
        for (_, facts), picture in zip(shown.iterrows(), small, strict=True)
    ]
    gallery(items, key=_GALLERY, selected=place_of(rows, row), size=104, height=height)
    return list(shown["slice_id"])


def _item(dataset: str, row: pd.Series, picture: bytes | None, labels: list[str]) -> GalleryItem:
    known = isinstance(row["label"], str)
    verdict = load.decisions(dataset).verdict_of(row["slice_id"])
    return GalleryItem(
        picture,
        caption=str(row["path"]).rpartition("/")[2] + (f" #{row['frame'] + 1}" if row["frame"] else ""),
        detail=text_of(row["patient_id"]) or text_of(row["part"]),
        color=class_color(row["label"], labels) if known else "",
        badge=verdict or ("" if row["status"] == "ok" else str(row["status"]).replace("-", " ")),
    )


def _draw_picked(
    dataset: str, index: pd.DataFrame, found: NDArray[np.int64], chosen: int | None
) -> list[str]:
    """Draw the chosen slice, else the first found, with its facts; return the ids of its series."""
    if chosen is None:
        if not len(found):
            return []
        chosen = int(found[0])
    row = index.iloc[chosen]
    series: list[str] = []
    if row["status"] == "ok":
        picture = pictures.slice_image(dataset, row["slice_id"])
        layer = HuLayer(picture.image) if picture.intensity == "hu" else GreyLayer(picture.image)
        panel = Panel([layer], title=str(row["path"]), **pictures.placement(picture))
        stack, series = find_stack(index, row["slice_id"], load_overview.labels(dataset))
        viewer(
            [panel],
            key=_VIEWER,
            # A series is one subject: zoom and place stay while one goes through it.
            subject=series[0] if series else row["slice_id"],
            height=350,
            stack=stack,
            presets=stored_window(row),
            events=("step",),
        )
    else:
        widgets.callout(str(row["error"]), tone="warn", title=str(row["path"]))
    draw_slice_actions(dataset, row["slice_id"])
    st.html(facts_html(row))
    return series
