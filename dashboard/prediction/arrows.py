"""Arrow keys for the series: a pointer's click leaves no focus on what would take them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def draw_arrows() -> None:
    """Let the arrow keys go along the series after a click; draws nothing."""
    _component()(key="predict-arrows")


@cache
def _component() -> Any:
    script = Path(__file__).with_name("arrows.js").read_text("utf-8")
    return st.components.v2.component("hilum_arrows", html="<i hidden></i>", js=script)
