"""The form's controls: each knows its setting's label, help and names, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import widgets
from dashboard.training import session
from dashboard.training.words import HELP, LABELS, PERCENT, in_words, value_text


class Controls:
    """Draws controls bound to the session's settings.

    Args:
        problems: what is wrong, by setting; each is said under its control.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self._problems = problems

    def select(
        self,
        field: str,
        options: Sequence[Any],
        *,
        unit: str = "",
        typed: bool = False,
        names: Mapping[Any, str] | None = None,
        on_change: Callable[[], None] | None = None,
        quiet: bool = False,
    ) -> None:
        """Draw a choice; what is set now is always among the options.

        Args:
            typed: take other numbers too.
            names: of options that need one of their own.
            quiet: leave it to the caller to `say_problem`, where there is more room.
        """
        now = session.get(field)
        offered = list(options)
        if now not in offered:
            offered.append(now)
            if all(isinstance(each, int | float) for each in offered):
                offered.sort()

        def changed() -> None:
            if typed:
                session.put_number(field, unit)
            if on_change is not None:
                on_change()

        st.selectbox(
            LABELS[field],
            offered,
            key=session.key(field),
            format_func=lambda value: (names or {}).get(value) or value_text(field, value) + unit,
            help=HELP.get(field),
            accept_new_options=typed,
            on_change=changed,
            persist_state="session",
        )
        if not quiet:
            self.say_problem(field)

    def number(
        self,
        field: str,
        least: float,
        most: float,
        *,
        step: float = 1,
        placeholder: str | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Draw a number to type; where `placeholder` is given it may be empty."""
        st.number_input(
            LABELS[field],
            least,
            most,
            step=step,
            key=session.key(field),
            placeholder=placeholder,
            help=HELP.get(field),
            on_change=on_change,
            persist_state="session",
        )
        self.say_problem(field)

    def slider(self, field: str, most: float, *, step: float, unit: str = "") -> None:
        """Draw a slider from nought; a value beyond its end moves the end."""
        digits = max(0, len(f"{step:g}".partition(".")[2]))
        st.slider(
            LABELS[field],
            0.0,
            max(most, float(session.get(field))),
            step=step,
            key=session.key(field),
            format="percent" if field in PERCENT else f"%.{digits}f{unit}",
            help=HELP.get(field),
            persist_state="session",
        )
        self.say_problem(field)

    def toggle(self, field: str, *, disabled: bool = False) -> None:
        """Draw a box to tick."""
        st.checkbox(
            LABELS[field],
            key=session.key(field),
            help=HELP.get(field),
            disabled=disabled,
            persist_state="session",
        )
        self.say_problem(field)

    def several(self, field: str, options: Sequence[Any], *, unit: str = "", placeholder: str) -> None:
        """Draw a choice of several; what is set now is always among the options."""
        now = session.get(field)
        st.multiselect(
            LABELS[field],
            [*options, *(each for each in now if each not in options)],
            key=session.key(field),
            format_func=lambda value: f"{value}{unit}",
            help=HELP.get(field),
            placeholder=placeholder,
            persist_state="session",
        )
        self.say_problem(field)

    def text(self, field: str, *, placeholder: str = "") -> None:
        """Draw a line to type."""
        st.text_input(
            LABELS[field],
            key=session.key(field),
            placeholder=placeholder,
            help=HELP.get(field),
            persist_state="session",
        )
        self.say_problem(field)

    def say_problem(self, field: str) -> None:
        """Say what is wrong with a setting, nothing where nothing is."""
        if problem := self._problems.get(field):
            widgets.callout(in_words(problem), tone="bad")
