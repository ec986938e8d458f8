"""The head of the form: which preset it began as, what that means, what differs, and the ways back."""

from __future__ import annotations

import html

import streamlit as st

from dashboard.training import session
from dashboard.training.words import LABELS, value_text
from pipeline.training.presets import PRESETS

_PLAIN = (
    "No preset: all blocks at once from random weights, the settings of an empty configuration. For trying "
    "out single settings."
)


def draw_presets() -> None:
    """Draw the choice of preset with its meaning, the changes made since, undo and reset."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            "Preset",
            [*PRESETS, session.NO_PRESET],
            key=session.key("preset"),
            format_func=lambda name: "no preset" if name == session.NO_PRESET else name,
            on_change=lambda: session.take_preset(st.session_state[session.key("preset")]),
            persist_state="session",
        )
        changed, last = session.changes(), session.last_step()
        base = st.session_state["train.base"]
        st.button(
            "", key="train-undo", icon=":material/undo:", on_click=session.undo, disabled=last is None,
            help=f"Undo: {last}" if last else "Undo",
        )  # fmt: skip
        st.button(
            "", key="train-reset", icon=":material/restart_alt:", on_click=session.take_preset, args=(base,),
            disabled=not changed, help=f"Reset to {_name(base)}",
        )  # fmt: skip
    preset = PRESETS.get(base)
    st.caption(preset.sentence if preset else _PLAIN)
    if changed:
        _say_changes(_name(base), changed)


def _name(base: str) -> str:
    return "the plain defaults" if base == session.NO_PRESET else base


def _say_changes(base: str, changed: dict[str, tuple[object, object]]) -> None:
    """Say how far the form is from its preset in one line; all of it on hover."""
    many = f"{len(changed)} change{'s' if len(changed) != 1 else ''} from {base}"
    listed = "; ".join(
        f"{LABELS[field]} {value_text(field, was)} → {value_text(field, now)}"
        for field, (was, now) in changed.items()
    )
    st.html(
        f'<div class="t-changes" title="{html.escape(listed)}"><strong>{html.escape(many)}</strong> '
        f"{html.escape(listed)}</div>"
    )
