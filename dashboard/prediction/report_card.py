"""How far the shown map can be trusted: worked out in the background and drawn below it."""

from __future__ import annotations

import html
from contextlib import suppress
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import widgets
from dashboard.charts.maps import plot_faithfulness
from dashboard.prediction.evidence import Evidence, evidence_of
from dashboard.prediction.maps import Shown, shown_values
from dashboard.prediction.source import Asked
from dashboard.widgets.parts import Tone
from pipeline.explanation.methods import METHODS, SIGNED
from pipeline.explanation.report_card import (
    CAUTION,
    NOTHING_AGAINST,
    RELY_NOT,
    Check,
    ReportCard,
    refused_card,
)
from pipeline.explanation.task import TaskCancelledError
from pipeline.inference.map_report import question_of
from pipeline.runs import RunInfo

POLL_SECONDS = 0.5
TONES: dict[str, Tone] = {RELY_NOT: "bad", CAUTION: "warn", NOTHING_AGAINST: "good"}
LEVELS = {"good": "passed", "doubt": "doubtful", "bad": "failed", "unknown": "could not be made"}


def draw_report_card(run: RunInfo, asked: Asked, shown: Shown) -> None:
    """Draw the report card of the map of the chosen class, or how far it is."""
    st.html(Path(__file__).with_suffix(".css"))
    evidence = evidence_of(run, asked)
    with widgets.panel(
        "How far can this map be trusted?",
        f"{METHODS[shown.method].title} of {shown.label}, this slice, this model",
        key="predict-card",
    ):
        values = shown_values(run, asked, shown)
        if values is not None:
            _draw_checked(evidence, asked, shown, values)
        elif shown.method in SIGNED:
            evidence.gather()
            _draw_waiting(evidence, for_map=True)
        else:
            st.html('<div class="p-gate" data-known="false">It is checked once the map is there.</div>')


def _draw_checked(evidence: Evidence, asked: Asked, shown: Shown, values: np.ndarray) -> None:
    key = (shown.method, shown.label)
    question = question_of(asked.prediction, shown.label, method=shown.method, values=values)
    if question.refusal:
        _draw_card(refused_card(question.refusal))
    elif key in evidence.cards:
        _draw_card(evidence.cards[key])
    else:
        if evidence.probe is None:
            evidence.gather()
        else:
            evidence.answer(key, question)
        _draw_waiting(evidence)


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


def _draw_card(card: ReportCard) -> None:
    widgets.callout(card.because, tone=TONES[card.verdict], title=card.sentence)
    if not card.checks:
        return
    table, figure = st.columns([62, 38], gap="medium", vertical_alignment="center")
    with table:
        st.html(f'<div class="p-card">{"".join(_row(check) for check in card.checks)}</div>')
    if card.faithfulness is not None:
        with figure:
            widgets.chart(plot_faithfulness(card.faithfulness), key="predict-card-curves", height=240)


def _row(check: Check) -> str:
    said = f"{html.escape(check.title)}: {LEVELS[check.level]}"
    return (
        f'<div data-level="{check.level}"><i role="img" aria-label="{said}" title="{said}"></i>'
        f"<b>{html.escape(check.title)}</b><em>{html.escape(check.value or 'n/a')}</em>"
        f"<span>{html.escape(check.finding)}"
        f"<small>On {html.escape(check.basis)}. {html.escape(check.threshold.capitalize())}.</small>"
        "</span></div>"
    )
