"""Which slice is worked on: one by one, at random, or a class of them; kept in the address."""

from __future__ import annotations

import html
import random
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.loaders import preprocess as load

ANY = "any class"


def draw_slice_choice(dataset: str, rows: pd.DataFrame, labels: list[str]) -> tuple[str, pd.DataFrame]:
    """Draw the choice among `rows` (by slice id); return the slice and the rows of the chosen class."""
    label = st.selectbox(
        "Class", [ANY, *labels], key="prep.class", label_visibility="collapsed", width=140,
        persist_state="session",
    )  # fmt: skip
    offered = rows if label == ANY else rows[rows["label"] == label]
    slice_id = _current(rows, offered)
    ids = list(offered.index)
    place = ids.index(slice_id) if slice_id in ids else -1
    _step_button("Previous", ":material/chevron_left:", ids[(place - 1) % len(ids)], "Left")
    _step_button("Next", ":material/chevron_right:", ids[(place + 1) % len(ids)], "Right")
    st.button(
        "", key="prep-shuffle", icon=":material/casino:", help="A slice at random",
        on_click=lambda: widgets.remember("slice", random.choice(ids)),
    )  # fmt: skip
    is_pinned = slice_id in load.pinned(dataset)
    st.button(
        "", key="prep-pin", icon=":material/keep_off:" if is_pinned else ":material/keep:",
        help="Unpin this slice" if is_pinned else "Pin this slice: it stays among the many",
        type="primary" if is_pinned else "secondary",
        on_click=lambda: load.pin(dataset, [slice_id], on=not is_pinned),
    )  # fmt: skip
    _say_slice(dict(rows.loc[slice_id]), labels)
    return slice_id, offered


def step_from(rows: pd.DataFrame, slice_id: str, step: int) -> str:
    """Return the slice so many steps on among `rows`, round the end."""
    ids = list(rows.index)
    return str(ids[((ids.index(slice_id) if slice_id in ids else -1) + step) % len(ids)])


def _step_button(name: str, icon: str, slice_id: str, shortcut: str) -> None:
    st.button(
        "",
        key=f"prep-{name.lower()}",
        icon=icon,
        help=name,
        on_click=widgets.remember,
        args=("slice", slice_id),
        shortcut=shortcut,
    )


def _current(rows: pd.DataFrame, offered: pd.DataFrame) -> str:
    chosen = widgets.recall("slice")
    if chosen in offered.index or (chosen in rows.index and st.session_state.get("prep.class") == ANY):
        return str(chosen)
    first = str(offered.index[len(offered) // 2])
    widgets.remember("slice", first)
    return first


def _say_slice(row: dict[str, Any], labels: list[str]) -> None:
    path = str(row["path"])
    size = f"{row['width']:.0f} x {row['height']:.0f}"
    kind = "HU" if row["intensity"] == "hu" else f"{row['bit_depth']:.0f}-bit grey"
    badge = widgets.class_badge(str(row["label"]), labels) if row["label"] in labels else ""
    st.html(
        f'<div class="h-slice" title="{html.escape(path)} · {size} · {kind}">{badge}'
        f"<span>{html.escape(path.rsplit('/', 1)[-1])} · {size} · {kind}</span></div>",
        width=250,
    )
