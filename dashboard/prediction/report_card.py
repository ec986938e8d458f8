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
from pipeline.explanation.checks import LEVELS, Check
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
TONES: dict[str, Tone] = {RELY_NOT: "bad", CAUTION: "warn", NOTHING_AGAINST: "good"}


def draw_report_card(run: RunInfo, asked: Asked, shown: Shown, slot: DeltaGenerator) -> None:
    """Draw the verdict on the chosen map into `slot`, or how far it is, and its evidence here."""
    evidence = evidence_of(run, asked)
    values = shown_values(run, asked, shown)
    with slot:
        card = _card(evidence, asked, shown, values)
        if card is not None:
            widgets.callout(card.because, tone=TONES[card.verdict], title=card.sentence)
    if card is not None and card.checks:
        with widgets.panel(
            "How far can this map be trusted?",
            f"{METHODS[shown.method].title} of {shown.label} on this slice; not whether the model is right",
            key="predict-card",
        ):
            _draw_evidence(card)


def _card(evidence: Evidence, asked: Asked, shown: Shown, values: np.ndarray | None) -> ReportCard | None:
    """Return the report card; None, drawing how far it is, while it is worked out."""
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
    if card is None or (card.checks and evidence.randomized is None):
        if evidence.probe is None:
            evidence.gather()
        elif card is None:
            evidence.answer(key, question)
        else:
            evidence.check_model()
        _draw_waiting(evidence)
    return card


@st.fragment(run_every=POLL_SECONDS)
def _draw_waiting(evidence: Evidence, *, for_map: bool = False) -> None:
    """Draw how far it is; the page is drawn anew when it is done, or when the map it waits for is there."""
    task = evidence.task
    if task is None or (for_map and evidence.occluded is not None):
        st.rerun()
    if not task.done:
        st.progress(min(task.share, 1.0), text=f"Checking the map: {task.message or 'getting ready'}")
        return
    with widgets.guarded("The map could not be checked."):
        with suppress(TaskCancelledError):
            task.result()
            evidence.task = None
            st.rerun()


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
