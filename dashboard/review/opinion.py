"""The model's opinion of a slice: put on record as it is shown, and drawn."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import widgets
from dashboard.loaders import review as read
from dashboard.review.session import Worklist
from pipeline.errors import user_errors
from pipeline.inference.prediction import score_text
from pipeline.inference.wording import has_answer, shown_labels
from pipeline.review.store import Opinion

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction

HEATMAP_METHOD = "closed-form CAM"


def reveal(worklist: Worklist, slice_id: str, reading_id: str) -> tuple[Prediction | None, Opinion]:
    """Return the model's opinion, recording it as shown the first time; the record wins over a new answer."""
    try:
        with st.spinner("Asking the model", show_time=False):
            prediction = read.opinion(worklist.run, slice_id)
    except user_errors() as error:
        return None, read.store().reveal(reading_id, Opinion("error", None, reason=str(error)))
    answered = prediction.status == "ok" and has_answer(prediction)
    opinion = Opinion(
        status="ok" if answered else "rejected",
        label=prediction.label if answered else None,
        scores={name: prediction.probabilities[name] for name in shown_labels(prediction) if answered},
        calibrated=prediction.calibrated,
        heatmap_method=HEATMAP_METHOD if answered else None,
        reason=prediction.reason,
    )
    return prediction, read.store().reveal(reading_id, opinion)


def draw_opinion(shown: Opinion, labels: list[str]) -> None:
    """Draw what the model said, or why it said nothing."""
    if shown.status != "ok":
        title = "The model gives no answer" if shown.status == "rejected" else "The model could not be asked"
        widgets.callout(shown.reason, tone="warn", title=title)
        return
    kind = "probability" if shown.calibrated else "score (uncalibrated)"
    st.html(
        f'<div class="h-opinion"><div class="h-opinion-head">The model says '
        f"{widgets.class_badge(str(shown.label), labels)}</div>{_bars(shown.scores, labels)}"
        f'<div class="h-opinion-kind">{kind}</div></div>'
    )
    if shown.reason:
        st.caption(shown.reason)


def _bars(scores: Mapping[str, float], labels: list[str]) -> str:
    from dashboard.charts import class_colors

    colors = class_colors(labels)
    return "".join(
        f'<div class="h-bar"><span>{html.escape(label)}</span><i><b style="width:{100 * value:.1f}%;'
        f'background:{colors.get(label, "#999999")}"></b></i><em>{score_text(value)}</em></div>'
        for label, value in scores.items()
    )
