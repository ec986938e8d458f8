"""The Slices tab: filters, a paged gallery, and the picked slice in the viewer with what is known of it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.loaders import explore as load
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, GreyLayer, HuLayer, Panel, gallery, viewer

PAGE = 40
SORTS = {
    "Path": "path",
    "Mean intensity": "intensity_mean",
    "Contrast": "intensity_std",
    "Sharpness": "sharpness",
    "Entropy": "entropy",
    "Border brightness": "border_mean",
    "Lung fraction": "lung_fraction",
    "File size": "bytes",
    "Height": "height",
    "Position": "slice_location",
}
QUALITIES = ("Readable", "Unreadable", "Copies", "All")
_FACTS = (
    ("File", "path"), ("Frame", "frame"), ("Class", "label"), ("Patient", "patient_id"), ("Part", "part"),
    ("Source", "source"), ("Format", "format"), ("Size", "size"), ("Stored", "stored"),
    ("Values", "values"), ("Spacing", "pixel_spacing"), ("Position", "slice_location"), ("Kernel", "kernel"),
    ("Scanner", "manufacturer"), ("Window", "window"), ("Sharpness", "sharpness"),
    ("Lung fraction", "lung_fraction"), ("Copies", "copies"), ("Note", "note"), ("Problem", "error"),
)  # fmt: skip

_WIDE = ("path", "note", "error")


@dataclass(frozen=True)
class Filters:
    """What the user wants to see; empty means everything."""

    labels: tuple[str, ...] = ()
    part: str | None = None
    format: str | None = None
    source: str | None = None
    quality: str = "Readable"
    text: str = ""
    sort: str = "Path"
    descending: bool = False


def draw_slices(dataset: str) -> None:
    """Draw filters, gallery and the picked slice."""
    index = load.index(dataset)
    labels = _labels(index)
    with st.container(key="explore-filters"):
        filters = _draw_filters(index, labels)
    found = select_slices(index, filters)
    left, right = st.columns([11, 10], gap="medium")
    with left:
        _draw_gallery(dataset, found, filters, labels)
    with right, widgets.guarded("This slice could not be shown."):
        _draw_picked(dataset, index, found)


def select_slices(index: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    """Return the rows that pass the filters, sorted; rows without the sorted value come last."""
    from pipeline.data.table import OK

    keep = pd.Series(True, index=index.index)
    if filters.quality == "Readable":
        keep &= index["status"] == OK
    elif filters.quality == "Unreadable":
        keep &= index["status"] != OK
    elif filters.quality == "Copies":
        keep &= index.groupby("cluster")["slice_id"].transform("size") > 1
    if filters.labels:
        keep &= index["label"].isin(filters.labels)
    for column, wanted in (("part", filters.part), ("format", filters.format), ("source", filters.source)):
        if wanted is not None:
            keep &= index[column] == wanted
    if filters.text.strip():
        needle = filters.text.strip()
        hit = pd.Series(False, index=index.index)
        for column in ("path", "patient_id", "slice_id"):
            hit |= index[column].str.contains(needle, case=False, regex=False, na=False)
        keep &= hit
    rows = index[keep.fillna(False).astype(bool)]
    column = "cluster" if filters.quality == "Copies" and filters.sort == "Path" else SORTS[filters.sort]
    return rows.sort_values(
        [column, "path", "frame"], ascending=[not filters.descending, True, True], na_position="last"
    )


def _labels(index: pd.DataFrame) -> list[str]:
    from pipeline.data.labels import order_labels

    return order_labels(index["label"].dropna())


def _draw_filters(index: pd.DataFrame, labels: list[str]) -> Filters:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.pills("Class", labels, selection_mode="multi", key="explore.labels")
        quality = st.selectbox("Show", QUALITIES, key="explore.quality", width=128)
        part = _choice("Part", index["part"] if index["part"].notna().any() else None)
        format = _choice("Format", index["format"])
        source = _choice("Source", index["source"])
        text = st.text_input("Search", key="explore.text", placeholder="path, patient or id", width=160)
        sort = st.selectbox("Sort by", list(SORTS), key="explore.sort", width=148)
        descending = st.toggle("Down", key="explore.descending", help="The greatest first.")
    return Filters(tuple(chosen), part, format, source, quality, text, sort, descending)


def _choice(name: str, column: pd.Series | None) -> str | None:
    """Draw a choice among a column's values where it has several."""
    values = [] if column is None else sorted(column.dropna().unique())
    if len(values) < 2:
        return None
    return st.selectbox(name, values, index=None, placeholder="any", key=f"explore.{name.lower()}", width=112)


def _draw_gallery(dataset: str, found: pd.DataFrame, filters: Filters, labels: list[str]) -> None:
    if found.empty:
        widgets.callout("No slice passes these filters: take one back.")
        return
    _turn_page(found, filters)
    page = _draw_pages(len(found))
    shown = found.iloc[page * PAGE : (page + 1) * PAGE]
    ids = list(shown["slice_id"])
    chosen = widgets.recall("slice")
    picked = gallery(
        [_item(dataset, row, labels) for _, row in shown.iterrows()],
        key="explore-gallery",
        selected=ids.index(chosen) if chosen in ids else None,
        size=104,
        height=600,
    )
    if picked is not None and ids[picked] != chosen:
        widgets.remember("slice", ids[picked])


def _turn_page(found: pd.DataFrame, filters: Filters) -> None:
    """Open the page of the chosen slice, where it was just stepped to; the first after other filters."""
    state = st.session_state
    if state.get("explore.filters", filters) != filters:
        state["explore.page"] = 1
    elif "explore.page" not in state or state.pop("explore.stepped", False):
        ids = list(found["slice_id"])
        chosen = widgets.recall("slice")
        state["explore.page"] = ids.index(chosen) // PAGE + 1 if chosen in ids else 1
    state["explore.filters"] = filters


def _draw_pages(count: int) -> int:
    """Draw how many slices there are and, where they don't fit on one page, which page; return it, from 0."""
    pages = -(-count // PAGE)
    st.session_state["explore.page"] = min(st.session_state["explore.page"], pages)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span class="h-count">{count:,} slice{"" if count == 1 else "s"}</span>', width="stretch")
        if pages == 1:
            return 0
        step = st.session_state["explore.page"]
        for icon, target, key in (("chevron_left", step - 1, "back"), ("chevron_right", step + 1, "on")):
            st.button(
                "",
                icon=f":material/{icon}:",
                key=f"explore.{key}",
                disabled=not 1 <= target <= pages,
                on_click=lambda page=target: st.session_state.update({"explore.page": page}),
            )
        number = st.number_input(
            "Page", 1, pages, key="explore.page", label_visibility="collapsed", width=110
        )
        st.html(f'<span class="h-count">of {pages:,}</span>')
    return int(number) - 1


def _item(dataset: str, row: pd.Series, labels: list[str]) -> GalleryItem:
    known = isinstance(row["label"], str)
    return GalleryItem(
        pictures.thumbnail(dataset, row["slice_id"]),
        caption=str(row["path"]).rpartition("/")[2] + (f" #{row['frame'] + 1}" if row["frame"] else ""),
        detail=_text(row["patient_id"]) or _text(row["part"]),
        color=class_color(row["label"], labels) if known else "",
        badge=load.decisions(dataset).verdict_of(row["slice_id"])
        or ("" if row["status"] == "ok" else str(row["status"]).replace("-", " ")),
    )


def _draw_picked(dataset: str, index: pd.DataFrame, found: pd.DataFrame) -> None:
    chosen = widgets.recall("slice")
    rows = index[index["slice_id"] == chosen]
    if rows.empty:
        if found.empty:
            return
        rows = found.iloc[:1]
    row = rows.iloc[0]
    if row["status"] == "ok":
        picture = pictures.slice_image(dataset, row["slice_id"])
        layer = HuLayer(picture.image) if picture.intensity == "hu" else GreyLayer(picture.image)
        spacing = picture.header.pixel_spacing if picture.header else None
        panel = Panel([layer], title=str(row["path"]), spacing=spacing)
        state = viewer([panel], key="explore", subject=row["slice_id"], height=350, events=("step",))
        if state.step is not None:
            _step(list(found["slice_id"]), row["slice_id"], state.step)
    else:
        widgets.callout(str(row["error"]), tone="warn", title=str(row["path"]))
    copies = int((index["cluster"] == row["cluster"]).sum()) - 1
    st.html(_facts(row, copies))


def _step(ids: list[str], current: str, step: int) -> None:
    """Go to the next or previous slice of the selection, and turn the gallery's page with it."""
    if current not in ids:
        return
    position = min(max(ids.index(current) + step, 0), len(ids) - 1)
    if ids[position] != current:
        widgets.remember("slice", ids[position])
        st.session_state["explore.stepped"] = True
        st.rerun()


def _facts(row: pd.Series, copies: int) -> str:
    values = dict(row)
    if row["status"] == "ok":
        unit = "HU" if row["intensity"] == "hu" else "grey"
        values["size"] = f"{row['width']} x {row['height']} pixels, {row['bytes'] / 1024:,.0f} KiB"
        channels = f"{row['channels']} channel{'' if row['channels'] == 1 else 's'}"
        equal = "" if row["channels"] == 1 else " (equal)" if row["channels_equal"] else " (unequal)"
        values["stored"] = f"{row['bit_depth']} bit, {channels}{equal}"
        values["values"] = f"{row['intensity_min']:.0f} to {row['intensity_max']:.0f} {unit}"
        values["values"] += f", mean {row['intensity_mean']:.0f}"
    if pd.notna(row["window_center"]) and pd.notna(row["window_width"]):
        values["window"] = f"{row['window_width']:.0f} / {row['window_center']:.0f}"
    values["copies"] = f"{copies:,} near-copies" if copies else None
    values["frame"] = f"{row['frame'] + 1}" if row["frame"] else None
    for name, unit, digits in (
        ("pixel_spacing", " mm", 2),
        ("slice_location", " mm", 1),
        ("sharpness", "", 0),
    ):
        values[name] = f"{values[name]:.{digits}f}{unit}" if pd.notna(values[name]) else None
    if pd.notna(row["lung_fraction"]):
        values["lung_fraction"] = f"{row['lung_fraction']:.0%} of the body"
    lines = [(title, _text(values.get(name)), name in _WIDE) for title, name in _FACTS]
    body = "".join(
        f"<dt>{title}</dt><dd{' class=wide' if wide else ''}>{html.escape(text)}</dd>"
        for title, text, wide in lines
        if text
    )
    return f'<dl class="h-facts">{body}</dl>'


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
