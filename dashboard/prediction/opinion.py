"""What the model says, and what must stand beside it: the gate, what it has seen, how sure a score is."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import loaders, widgets
from dashboard.charts import class_colors
from dashboard.prediction.averaging import draw_averaging
from dashboard.prediction.source import Asked
from pipeline.inference.prediction import Prediction, score_text
from pipeline.inference.seen import SENTENCES
from pipeline.inference.wording import (
    answer_words,
    distance_words,
    doubts,
    has_answer,
    is_near,
    nearness_words,
    picture_notes,
    score_notes,
    shown_labels,
)
from pipeline.runs import RunInfo

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


def is_shown(run: RunInfo, asked: Asked) -> bool:
    """Return whether scores and maps are shown: the gate let the slice in, or the user overrode it."""
    return asked.prediction.status == "ok" or bool(st.session_state.get(_override_key(run, asked)))


def is_overridden(run: RunInfo, asked: Asked) -> bool:
    """Return whether the gate refused the slice and the user asked for the answer all the same."""
    return asked.prediction.status != "ok" and is_shown(run, asked)


def draw_opinion(run: RunInfo, asked: Asked) -> DeltaGenerator:
    """Draw the verdict of the gate, the scores, and whether the model has seen the slice.

    Returns:
        The row for what can be done with the answer.
    """
    prediction = asked.prediction
    with widgets.panel(key="predict-opinion"):
        _gate(run, asked)
        if is_shown(run, asked):
            _scores(prediction)
            if prediction.status == "ok" and prediction.reason:
                widgets.callout(prediction.reason, tone="warn")
            widgets.callout(
                SENTENCES[prediction.seen],
                tone=SEEN_TONES[prediction.seen],
                title=SEEN_TITLES[prediction.seen],
            )
        acts = st.container(horizontal=True, vertical_alignment="center", gap="small")
        if is_shown(run, asked):
            with acts:
                draw_averaging(run, prediction.averaging)
        widgets.research_notice()
    return acts


def _gate(run: RunInfo, asked: Asked) -> None:
    """Say whether this looks like a slice at all; where it doesn't, offer to see the answer all the same."""
    prediction = asked.prediction
    if prediction.status == "ok":
        st.html(
            '<div class="p-gate">Looks like an axial CT slice of the trunk</div>'
            f'<div class="p-gate" data-known="{str(is_near(prediction)).lower()}" '
            f'title="{html.escape(distance_words(prediction))}">{html.escape(nearness_words(prediction))}</div>'
        )
        return
    foreign = not prediction.gate.passed
    means = "for such a one it means nothing" if foreign else "so far from its training nobody tested it"
    consequence = (
        "The answer below is shown at your wish, and that is recorded: the model answers for any picture, "
        f"and {means}."
        if is_shown(run, asked)
        else "No score and no map are shown for it."
    )
    title = "Not taken for a chest CT slice" if foreign else "Unlike what this model was trained on"
    widgets.callout(f"{prediction.reason} {consequence}", tone="bad", title=title)
    if prediction.is_unlike:
        st.html(f'<div class="p-gate" data-known="false">{html.escape(distance_words(prediction))}</div>')
    st.toggle(
        "It is one: show the answer" if foreign else "Show the answer all the same",
        key=_override_key(run, asked),
        on_change=_record_override,
        args=(run, asked),
        help="The check can be wrong. The choice holds for this slice and model only and is recorded in the "
        "workspace, with the hash of the slice's pixels and no file name.",
    )


def _override_key(run: RunInfo, asked: Asked) -> str:
    return f"predict.override.{run.id}.{asked.subject}"


def _record_override(run: RunInfo, asked: Asked) -> None:
    from pipeline.inference.overrides import record_override

    shown = bool(st.session_state.get(_override_key(run, asked)))
    record_override(loaders.workspace(), run, asked.prediction, shown=shown, slice_id=asked.slice_id)


def _scores(prediction: Prediction) -> None:
    labels = prediction.engine.classes
    colors = class_colors(labels)
    swatch = f'<i style="background:{colors[prediction.label]}"></i>' if has_answer(prediction) else ""
    rows = "".join(
        _row(label, prediction.probabilities[label], colors[label], first=label == prediction.label)
        for label in shown_labels(prediction)
    )
    said = answer_words(prediction)
    said_too = [*score_notes(prediction), *picture_notes(prediction)]
    notes = "".join(f"<small>{html.escape(note)}</small>" for note in said_too)
    st.html(
        f'<div class="p-answer"><p>The model says</p><h3>{swatch}{html.escape(said)}</h3>'
        f'<div class="p-scores">{rows}</div>{notes}</div>{_doubt(prediction)}'
    )


def _doubt(prediction: Prediction) -> str:
    """Return what cannot be excluded and what the operating point calls, as HTML."""
    rows = doubts(prediction)
    if not rows:
        return ""
    return (
        '<dl class="p-doubt">'
        + "".join(
            f"<dt>{title}</dt><dd><b>{html.escape(said)}</b><small>{html.escape(note)}</small></dd>"
            for title, said, note in rows
        )
        + "</dl>"
    )


def _row(label: str, value: float, color: str, *, first: bool) -> str:
    return (
        f'<div class="p-score" data-first="{str(first).lower()}"><span>{html.escape(label)}</span>'
        f'<i><b style="width:{100 * value:.1f}%;background:{color}"></b></i>'
        f"<em>{score_text(value)}</em></div>"
    )
