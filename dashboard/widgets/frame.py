"""The frame around every page: set-up, header, status bar, and what happens when something goes wrong."""

from __future__ import annotations

import html
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import loaders
from dashboard.widgets.parts import NOTICE
from dashboard.widgets.theme_keeper import keep_theme
from pipeline.errors import user_errors
from pipeline.storage import explained

ASSETS = Path(__file__).resolve().parents[2] / "assets"
STATUS_SECONDS = 3.0  # between two looks at the jobs, while any is active
_LOG = logging.getLogger("hilum.dashboard")


def set_up_page() -> None:
    """Set title, layout, logo and style. Called once, by the router."""
    st.set_page_config(
        page_title="Hilum",
        page_icon=str(ASSETS / "logo.svg"),
        layout="wide",
        initial_sidebar_state="collapsed",
        menu_items={"About": f"**Hilum** - a workbench for chest-CT slice classification.\n\n{NOTICE}."},
    )
    st.logo(str(ASSETS / "logo.svg"), size="medium")
    # All at once, and first: of a later one a fragment's dialog or toast would take the place.
    st.html(_style())


@cache
def _style() -> str:
    """Return the look of the frame and of every page."""
    files = (ASSETS / "style.css", *sorted(Path(__file__).parents[1].glob("*/style.css")))
    return f"<style>{''.join(file.read_text('utf-8') for file in files)}</style>"


def is_dark() -> bool:
    """Return whether the user's theme is dark (the default until the browser says otherwise)."""
    return st.context.theme.type != "light"


def page_header(title: str, question: str) -> DeltaGenerator:
    """Draw a page's title and the question it answers, and return a right-aligned row for its pickers.

    `with page_header("Explore", "What is in this data?"): dataset = dataset_picker()`
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="page-header"):
        st.html(
            f'<div class="h-header"><h1>{html.escape(title)}</h1>'
            f'<p title="{html.escape(question)}">{html.escape(question)}</p></div>',
            width="stretch",
        )
        return st.container(
            horizontal=True,
            horizontal_alignment="right",
            vertical_alignment="center",
            width="content",
            gap="small",
        )


def status_bar() -> None:
    """Draw the line at the foot of every page: the research notice, what runs, where the data lies."""
    with st.container(key="h-frame"):  # taken out of the page's flow by style.css
        busy = any(job.active for job in loaders.jobs())
        st.fragment(_status_line, run_every=STATUS_SECONDS if busy else None)()
        keep_theme()


def _status_line() -> None:
    root = html.escape(str(loaders.workspace().root))
    active = [job for job in loaders.jobs() if job.active]
    work = f"{len(active)} job{'s' if len(active) != 1 else ''} active" if active else "idle"
    st.html(
        '<div class="h-status" role="contentinfo">'
        f'<span class="h-notice">{NOTICE}</span>'
        f'<span class="h-status-work" data-active="{bool(active)}">{work}</span>'
        f'<span class="h-status-path" title="{root}"><bdi>{root}</bdi></span>'
        "</div>"
    )


@contextmanager
def guarded(sentence: str = "This part of the page could not be shown.") -> Iterator[None]:
    """Turn whatever goes wrong inside into one plain sentence; usable as a decorator too.

    An error made for the user (HilumError, ModelError) is shown as it is, a full disk or forbidden folder in
    its sentence. Any other is logged with a reference, and the page shows `sentence` with that reference; a
    traceback never reaches the browser.
    """
    try:
        with explained():
            yield
    except user_errors() as error:
        st.error(_plain(str(error)), icon=":material/error:")
    except Exception:
        reference = secrets.token_hex(3)
        _LOG.exception("Unexpected error on a page, reference %s", reference)
        st.error(
            f"{sentence} Nothing of yours was changed. The cause is in the terminal where Hilum runs, "
            f"under reference {reference}.",
            icon=":material/error:",
        )


def _plain(text: str) -> str:
    """Keep a message's characters from being read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#$~|:" else c for c in text)
