"""Files to take along, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import streamlit as st

from pipeline.console import size_text


def draw_download(
    label: str,
    make: Callable[[], str | bytes],
    *,
    of: Hashable,
    file_name: str,
    mime: str,
    key: str,
) -> None:
    """Draw a button that makes a file and then gives it.

    The bytes are made before the button: what a button would make at the click is gone once a part of the
    page has been refreshed twice, and every page is refreshed while a job runs.

    Args:
        make: returns the file's content.
        of: what the file is made of; a file of anything else is made anew.
    """
    place, kept = st.empty(), st.session_state.get(f"{key}.made")
    if kept is None or kept[0] != of:
        if not place.button(label, icon=":material/download:", key=f"{key}.make"):
            return
        with st.spinner("Making it"):
            content = make()
        data = content.encode("utf-8") if isinstance(content, str) else content
        kept = st.session_state[f"{key}.made"] = (of, data)
    place.download_button(
        f"{label}: save {size_text(len(kept[1]))}", kept[1], file_name=file_name, mime=mime, type="primary",
        icon=":material/download:", on_click="ignore", key=key,
    )  # fmt: skip
