"""What the model says, and what must stand beside it: the gate, what it has seen, how sure a score is."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st

from dashboard import widgets
from dashboard.charts import class_colors
from dashboard.prediction.source import Asked
from pipeline.inference.prediction import Prediction, score_text
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


def is_shown(asked: Asked) -> bool:
    """Return whether scores and maps are shown: the gate let the slice in, or the user overrode it."""
    return asked.prediction.status == "ok" or bool(st.session_state.get(_override_key(asked)))


def draw_opinion(asked: Asked) -> None:
    """Draw the verdict of the gate, the scores, and whether the model has seen the slice."""
    prediction = asked.prediction
    with widgets.panel(key="predict-opinion"):
        _gate(asked)
        if is_shown(asked):
            _scores(prediction)
            if prediction.status == "ok" and prediction.reason:
                widgets.callout(prediction.reason, tone="warn")
            widgets.callout(
                SENTENCES[prediction.seen],
                tone=SEEN_TONES[prediction.seen],
                title=SEEN_TITLES[prediction.seen],
            )
        widgets.research_notice()


def _gate(asked: Asked) -> None:
    """Say whether this looks like a slice at all; where it doesn't, offer to see the answer all the same."""
    prediction = asked.prediction
    if prediction.status == "ok":
        st.html('<div class="p-gate">Looks like an axial CT slice of the trunk</div>')
        return
    consequence = (
        "The answer below is shown at your wish: the model answers for any picture, and for such a one it "
        "means nothing."
        if is_shown(asked)
        else "No score and no map are shown for it."
    )
    widgets.callout(f"{prediction.reason} {consequence}", tone="bad", title="Not taken for a chest CT slice")
    st.toggle(
        "It is one: show the answer", key=_override_key(asked),
        help="The check looks at the picture alone and can be wrong. The choice holds for this slice only.",
    )  # fmt: skip


def _override_key(asked: Asked) -> str:
    return f"predict.override.{asked.subject}"


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
        f'<div class="p-answer"><p>The model says</p><h3>{swatch}{html.escape(prediction.label)}</h3>'
        f'<div class="p-scores">{rows}</div><small>{kind}: {note}.</small></div>'
    )


def _row(label: str, value: float, color: str, *, first: bool) -> str:
    return (
        f'<div class="p-score" data-first="{str(first).lower()}"><span>{html.escape(label)}</span>'
        f'<i><b style="width:{100 * value:.1f}%;background:{color}"></b></i>'
        f"<em>{score_text(value)}</em></div>"
    )
