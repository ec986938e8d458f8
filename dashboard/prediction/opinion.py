"""What the model says, and what must stand beside it: the gate, what it has seen, how sure a score is."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st

from dashboard import widgets
from dashboard.charts import class_colors
from dashboard.prediction.source import Asked
from pipeline.inference.prediction import Prediction
from pipeline.inference.seen import SENTENCES

Tone = Literal["neutral", "good", "warn", "bad"]
SEEN_TONES: dict[str, Tone] = {
    "train": "bad",
    "val": "bad",
    "calibration": "warn",
    "near-duplicate": "bad",
    "same-patient": "warn",
    "unknown": "warn",
    "test": "good",
    "no": "good",
}
SEEN_TITLES = {
    "train": "Seen in training",
    "val": "Used to choose the model",
    "calibration": "Used for calibration",
    "near-duplicate": "A near-copy was seen",
    "same-patient": "The patient was seen",
    "unknown": "Unknown whether it was seen",
    "test": "Not seen",
    "no": "Not seen",
}


def draw_opinion(asked: Asked) -> None:
    """Draw the verdict of the gate, the scores, and whether the model has seen the slice."""
    prediction = asked.prediction
    with widgets.panel(key="predict-opinion"):
        _gate(prediction)
        if prediction.status == "ok":
            _scores(prediction)
            if prediction.reason:
                widgets.callout(prediction.reason, tone="warn")
            widgets.callout(
                SENTENCES[prediction.seen],
                tone=SEEN_TONES[prediction.seen],
                title=SEEN_TITLES[prediction.seen],
            )
        widgets.research_notice()


def _gate(prediction: Prediction) -> None:
    if prediction.status == "ok":
        st.html('<div class="p-gate" data-ok="true">Looks like an axial CT slice of the trunk</div>')
        return
    text = f"{prediction.reason} No score and no map are shown for it."
    widgets.callout(text, tone="bad", title="Not a chest CT slice")


def _scores(prediction: Prediction) -> None:
    labels = prediction.engine.classes
    colors = class_colors(labels)
    kind = "Probability" if prediction.calibrated else "Score (uncalibrated)"
    note = (
        "fitted to how often the model is right"
        if prediction.calibrated
        else "not a probability of disease: models like this one are surer than they are right"
    )
    ranked = sorted(labels, key=lambda label: -prediction.probabilities[label])
    rows = "".join(
        _row(label, prediction.probabilities[label], colors[label], first=label == prediction.label)
        for label in ranked
    )
    swatch = f'<i style="background:{colors[prediction.label]}"></i>'
    st.html(
        f'<div class="p-answer"><p>The model says</p><h3>{swatch}{html.escape(prediction.label)}</h3>{rows}'
        f"<small>{kind}: {note}.</small></div>"
    )


def _row(label: str, value: float, color: str, *, first: bool) -> str:
    return (
        f'<div class="p-score" data-first="{str(first).lower()}"><span>{html.escape(label)}</span>'
        f'<i><b style="width:{100 * value:.1f}%;background:{color}"></b></i>'
        f"<em>{score_text(value)}</em></div>"
    )


def score_text(value: float) -> str:
    """Write a score with two digits, and never as certainty.

    >>> score_text(0.4251), score_text(0.9996), score_text(0.0001)
    ('0.43', '> 0.99', '< 0.01')
    """
    if value > 0.99:
        return "> 0.99"
    return "< 0.01" if value < 0.01 else f"{value:.2f}"
