"""The verdict on suitability, each line with its evidence."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import widgets
from dashboard.widgets.parts import Tone
from pipeline.evaluation.verdict import Verdict


def draw_verdict(verdict: Verdict) -> None:
    """Draw what the evidence comes to, and the evidence."""
    tone: Tone = "bad" if verdict.summary.startswith("Not fit") else "warn"
    with widgets.panel(
        "Fit to help at the bedside?",
        "a condition counts as met only where something shown here says so",
        key="verdict",
    ):
        widgets.callout(verdict.summary, tone=tone)
        rows = "".join(
            f'<tr data-status="{line.status}"><td>{line.status}</td><td>{html.escape(line.claim)}</td>'
            f"<td>{html.escape(line.evidence)}</td></tr>"
            for line in verdict.lines
        )
        st.html(f'<table class="h-verdict">{rows}</table>')
