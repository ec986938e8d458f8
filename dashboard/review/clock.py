"""How long a slice was looked at: the time that it was on the screen, in this browser session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import streamlit as st


@dataclass
class Clock:
    """The clock of one slice in one stage of its reading.

    Attributes:
        known: False where the slice may have been on the screen before this session (a reloaded page).
        counted: seconds until the last pause.
        since: when it last went on, None while it stands.
    """

    known: bool
    shown_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    counted: float = 0.0
    since: float | None = None

    def seconds(self) -> float:
        """Return the seconds that were counted by now."""
        return self.counted + (monotonic() - self.since if self.since is not None else 0.0)


def start(*of: str, known: bool = True) -> None:
    """Start the clock of a slice and stage, or let it go on; all others stand."""
    clocks = st.session_state.setdefault("review.clocks", {})
    if st.session_state.get("review.clock") != of:
        pause()
        st.session_state["review.clock"] = of
    clock = clocks.setdefault(of, Clock(known))
    if clock.since is None:
        clock.since = monotonic()


def pause() -> None:
    """Let the clock stand while its slice is off the screen."""
    clock = current()
    if clock is not None and clock.since is not None:
        clock.counted, clock.since = clock.seconds(), None


def forget() -> None:
    """Drop the current clock: what it was for is on record."""
    st.session_state.get("review.clocks", {}).pop(st.session_state.pop("review.clock", None), None)


def forget_all() -> None:
    """Drop all clocks: another list begins."""
    for name in ("review.clocks", "review.clock"):
        st.session_state.pop(name, None)


def current() -> Clock | None:
    """Return the clock of the slice that is, or was last, on the screen."""
    found: Clock | None = st.session_state.get("review.clocks", {}).get(st.session_state.get("review.clock"))
    return found


def seconds() -> float | None:
    """Return how long the slice at hand was on the screen; None where that is not known."""
    clock = current()
    return clock.seconds() if clock is not None and clock.known else None


def shown_at() -> datetime:
    """Return when the slice at hand was first shown in this session."""
    clock = current()
    return clock.shown_at if clock is not None else datetime.now(UTC)
