"""How far the shown map can be trusted: worked out in the background and drawn below it."""

from __future__ import annotations

import html
from contextlib import suppress

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import widgets
from dashboard.charts.maps import plot_faithfulness
from dashboard.prediction.evidence import Evidence, evidence_of
from dashboard.prediction.maps import Shown, shown_values
from dashboard.prediction.source import Asked
from dashboard.widgets.parts import Tone
from pipeline.explanation.checks import LEVELS, Check, randomized_unmade
from pipeline.explanation.methods import METHODS, SIGNED
from pipeline.explanation.report_card import (
    CAUTION,
    NOTHING_AGAINST,
    RELY_NOT,
    ReportCard,
    refused_card,
)
from pipeline.explanation.task import TaskCancelledError
from pipeline.inference.map_report import question_of
from pipeline.runs import RunInfo

POLL_SECONDS = 0.5
STILL_CHECKED = (
    "The verdict comes when the last check is made: whether the model's maps show what it learned."
)
TONES: dict[str, Tone] = {RELY_NOT: "bad", CAUTION: "warn", NOTHING_AGAINST: "good"}


def draw_report_card(run: RunInfo, asked: Asked, shown: Shown, slot: DeltaGenerator) -> None:
    """Draw the verdict on the chosen map into `slot`, or how far it is, and its evidence here."""
    evidence = evidence_of(run, asked)
    values = shown_values(run, asked, shown)
    with slot:
        card = _card(evidence, asked, shown, values)
        if card is not None and not _is_waited_for(card, evidence):
            _draw_verdict(card)
    if card is not None and card.checks:
        with widgets.panel(
            "How far can this map be trusted?",
            f"{METHODS[shown.method].title} of {shown.label} on this slice; not whether the model is right",
            key="predict-card",
        ):
            _draw_evidence(card)


def _card(evidence: Evidence, asked: Asked, shown: Shown, values: np.ndarray | None) -> ReportCard | None:
    """Return the report card, None while it is worked out; draw how far it is until all checks are in."""
    if values is None:
        if shown.method in SIGNED:
            evidence.gather()
            _draw_waiting(evidence, for_map=True)
        return None
    key = (shown.method, shown.label)
    question = question_of(asked.prediction, shown.label, method=shown.method, values=values)
    if question.refusal:
        return refused_card(question.refusal)
    card = evidence.card(key)
    if card is None or _is_waited_for(card, evidence):
        if evidence.probe is None:
            evidence.gather()
        elif card is None:
            evidence.answer(key, question)
        else:
            evidence.check_model()
        _draw_waiting(evidence, card)
    return card


def _is_waited_for(card: ReportCard, evidence: Evidence) -> bool:
    """Return whether the model's own check is still to come: until then no verdict is final."""
    return bool(card.checks) and evidence.randomized is None


def _draw_verdict(card: ReportCard, note: str = "") -> None:
    widgets.callout(f"{card.because} {note}".strip(), tone=TONES[card.verdict], title=card.sentence)


@st.fragment(run_every=POLL_SECONDS)
def _draw_waiting(evidence: Evidence, card: ReportCard | None = None, *, for_map: bool = False) -> None:
    """Draw how far it is; the page is drawn anew when it is done, or when the map it waits for is there.

    A `card` is one that waits for the model's own check: its verdict is drawn when that could not be made.
    """
    task = evidence.task
    if task is None or (for_map and evidence.occluded is not None):
        st.rerun()
    if not task.done:
        if card is not None:
            widgets.callout(STILL_CHECKED, title="This map is still being checked.")
        st.progress(min(task.share, 1.0), text=f"Checking the map: {task.message or 'getting ready'}")
        return
    with widgets.guarded("The map could not be checked."):
        with suppress(TaskCancelledError):
            task.result()
            evidence.task = None
            st.rerun()
    if card is not None and not task.cancelled:
        unmade = randomized_unmade()
        _draw_verdict(card.with_check(unmade), unmade.finding)


def _draw_evidence(card: ReportCard) -> None:
    st.html(f'<div class="p-card">{"".join(_row(check) for check in card.checks)}</div>')
    if card.faithfulness is not None:
        widgets.chart(plot_faithfulness(card.faithfulness), key="predict-card-curves", height=230)


def _row(check: Check) -> str:
    said = f"{html.escape(check.title)}: {LEVELS[check.level]}"
    return (
        f'<div data-level="{check.level}"><i role="img" aria-label="{said}" title="{said}"></i>'
        f"<b>{html.escape(check.title)}</b><em>{html.escape(check.value or 'n/a')}</em>"
        f"<span>{html.escape(check.finding)}"
        f"<small>On {html.escape(check.basis)}. {html.escape(check.threshold.capitalize())}.</small>"
        "</span></div>"
    )
