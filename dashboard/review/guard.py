"""What others said stays closed to whoever still reads, or may read later, unless they open it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import widgets
from dashboard.review import session
from dashboard.review.session import Worklist

if TYPE_CHECKING:
    from pipeline.runs import RunInfo


def draw_guard(run: RunInfo, worklist: Worklist | None, *, of: str, key: str) -> bool:
    """Return whether everything may be shown; where not, say why, with a button that opens it.

    `of` names what is closed: "agreement".
    """
    reason = _reason(run, worklist, of)
    if reason is None or st.session_state.get("review.peek") == run.id:
        return True
    widgets.callout(reason, tone="warn")
    # By a callback: a press is not lost where the next one comes before the page is drawn.
    st.button("Show it anyway", key=f"review.peek-{key}", on_click=_open, args=(run.id,))
    return False


def _open(run_id: str) -> None:
    st.session_state["review.peek"] = run_id


def _reason(run: RunInfo, worklist: Worklist | None, of: str) -> str | None:
    if worklist is None:
        return f"You have not said who reads. Looking at {of} now can sway how you read later."
    done, total = worklist.done, len(worklist.slices)
    if done < total:
        read = f"You have read {done} of {total} slices."
    else:
        other = next((one for one in session.unfinished(run) if one.reader == worklist.reader), None)
        if other is None:
            return None
        read = f"You have read {other.done} of {other.total} slices of another list, order {other.seed}."
    return f"{read} Looking at {of} now can sway how you read the rest."
