"""What was pressed, and for which slice: a press counts for what was on the screen, not for what came since.

The same reader may be ahead in another tab; then a press, or a note being written, comes too late. It is
dropped, and the page says so until that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.review.session import Stage

Stop = tuple[str, Stage]  # a slice's id, and the stage of its reading


@dataclass(frozen=True)
class Press:
    """A label that was pressed.

    Attributes:
        of: what was on the screen.
        note: as it stood then.
        seen: whether there was a picture of the slice.
        slip: it says what the first label was meant to be.
    """

    of: Stop
    label: str
    note: str = ""
    seen: bool = True
    slip: bool = False


def press(of: Stop, label: str, note_key: str = "", *, seen: bool = True, slip: bool = False) -> None:
    """Keep a press for the page's next run; to be called by a button."""
    st.session_state["review.pressed"] = Press(of, label, _note(note_key), seen=seen, slip=slip)


def show(of: Stop, note_key: str = "") -> None:
    """Remember what is on the screen, and where its note is written."""
    st.session_state["review.on-screen"] = (of, note_key)


def move_on() -> None:
    """Forget what was on the screen: this session itself goes on to something else."""
    st.session_state.pop("review.on-screen", None)


def take(at_hand: Stop | None, readings: Mapping[str, pd.Series]) -> Press | None:
    """Return the press that is for the slice at hand. Of one that came too late, keep a notice."""
    pressed: Press | None = st.session_state.pop("review.pressed", None)
    of, note_key = st.session_state.get("review.on-screen", (None, ""))
    if pressed is not None and pressed.of == at_hand:
        return pressed
    if pressed is not None and not _is_on_record(pressed, readings):
        drop(pressed.label, pressed.note)
    elif pressed is None and of not in (None, at_hand):
        drop("", _note(note_key))
    return None


def drop(label: str, note: str) -> None:
    """Keep a notice that a label and a note came too late."""
    lost = [f"the label {label}" if label else "", f"the note “{note.strip()}”" if note.strip() else ""]
    if any(lost):
        st.session_state.setdefault("review.dropped", []).append(" and ".join(filter(None, lost)))


def draw_dropped() -> None:
    """Draw what came too late, until the reader has seen it."""
    dropped = st.session_state.get("review.dropped")
    if not dropped:
        return
    widgets.callout(
        "The slice on this screen had been read further in another tab, so this came too late: "
        f"{'; '.join(dropped)}. What was recorded first stands; it can be corrected.",
        tone="warn",
        title="Not recorded",
    )
    if st.button("I have seen this", key="review.dropped-seen"):
        st.session_state.pop("review.dropped")
        st.rerun()


def _note(key: str) -> str:
    return str(st.session_state.get(key, "")) if key else ""


def _is_on_record(pressed: Press, readings: Mapping[str, pd.Series]) -> bool:
    """Return whether nothing was lost: a label that was pressed twice."""
    row = readings.get(pressed.of[0])
    if row is None:
        return False
    column = "blind_label" if pressed.of[1] == "blind" else "final_label"
    return row[
        "blind_corrected_to" if pressed.slip else column
    ] == pressed.label and pressed.note.strip() in ("", str(row["note"] or "").strip())
