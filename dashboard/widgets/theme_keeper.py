"""Dark where the user has not chosen, and one choice for all pages.

Streamlit with a dark and a light theme begins with the system's, and remembers a choice by the page at which
the tab was opened. Reading rooms are dark whatever the system says, so the first visit is set to dark (which
costs one reload where the system is light), and a choice in the menu is kept for every page.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

SCRIPT = Path(__file__).with_suffix(".js")


def keep_theme() -> None:
    """Mount the keeper: a component without a face. Where the user changes the theme, the page runs again."""
    _component()(key="theme-keeper", on_theme_change=_nothing)


def _nothing() -> None:
    """Streamlit reports only events that have a callback."""


@cache
def _component() -> Any:
    return st.components.v2.component("hilum_theme_keeper", js=SCRIPT.read_text("utf-8"))
