"""A button that puts a text on the user's clipboard: one click, no round trip to the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def copy_button(text: str, *, label: str, key: str) -> None:
    """Draw a button that copies `text`; `label` is said on hover and to screen readers."""
    _component()(key=key, data={"text": text, "label": label}, width="content", height="content")


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hilum_copy",
        html='<button type="button"></button>',
        css=(HERE / "copying.css").read_text("utf-8"),
        js=(HERE / "copying.js").read_text("utf-8"),
    )
