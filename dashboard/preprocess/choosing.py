"""Which slice is worked on: one by one, at random, or a class of them; kept in the address."""

from __future__ import annotations

import html
import random
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import widgets

ANY = "any class"


def draw_slice_choice(rows: pd.DataFrame, labels: list[str]) -> tuple[str, pd.DataFrame]:
    """Draw the choice among `rows` (by slice id); return the slice and the rows of the chosen class."""
    label = st.selectbox(
        "Class", [ANY, *labels], key="prep.class", label_visibility="collapsed", width=150,
        persist_state="session",
    )  # fmt: skip
    offered = rows if label == ANY else rows[rows["label"] == label]
    slice_id = _current(rows, offered)
    ids = list(offered.index)
    place = ids.index(slice_id) if slice_id in ids else -1
    _step_button("Previous", ":material/chevron_left:", ids[(place - 1) % len(ids)])
    _step_button("Next", ":material/chevron_right:", ids[(place + 1) % len(ids)])
    st.button(
        "Shuffle", key="prep-shuffle", icon=":material/casino:", help="A slice at random",
        on_click=lambda: widgets.remember("slice", random.choice(ids)),
    )  # fmt: skip
    _say_slice(dict(rows.loc[slice_id]), labels)
    return slice_id, offered


def _step_button(name: str, icon: str, slice_id: str) -> None:
    st.button(
        "",
        key=f"prep-{name.lower()}",
        icon=icon,
        help=name,
        on_click=widgets.remember,
        args=("slice", slice_id),
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
        f'<div title="{html.escape(path)}" style="display:flex;gap:10px;align-items:center;font-size:12px;'
        f'overflow:hidden;white-space:nowrap">{badge}<span style="color:var(--h-muted);overflow:hidden;'
        f'text-overflow:ellipsis">{html.escape(path.rsplit("/", 1)[-1])} · {size} · {kind}</span></div>',
        width="stretch",
    )
