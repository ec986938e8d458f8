"""The strip of a series along the body, what it says as a case, and going from slice to slice."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import widgets
from dashboard.charts import class_colors
from dashboard.charts.predict import StripSlice, strip_figure
from pipeline.data.labels import order_labels
from pipeline.inference.case import LEFT_OUT, UNVALIDATED, Case, SeriesSlice, position_text
from pipeline.inference.prediction import score_text

HEIGHT = 218
_KINDS = {"": "counts", "unlike": "refused", "little-lung": "non-informative"}
_CLICKED = "predict.series.clicked"


def draw_strip(case: Case, labels: list[str], *, current: int, key: str) -> int | None:
    """Draw the strip and return the number of the slice that was just clicked, else None."""
    slices = strip_slices(case)
    if not slices:
        return None
    figure = strip_figure(
        slices, order_labels(labels), current=current, in_mm=case.has_positions, calibrated=case.is_calibrated
    )
    event = widgets.chart(
        figure, key=f"predict-strip-{key}", height=HEIGHT, on_select="rerun", selection_mode="points"
    )
    points = getattr(getattr(event, "selection", None), "points", None) or []
    clicked = int(points[0]["customdata"][0]) if points else None
    before = st.session_state.get(_CLICKED)
    st.session_state[_CLICKED] = (key, clicked)
    return clicked if clicked is not None and before != (key, clicked) else None


def strip_slices(case: Case) -> list[StripSlice]:
    """Return what is drawn of a case: all slices whose place is known."""
    found = []
    for number, (each, why) in enumerate(zip(case.slices, case.left_out, strict=True)):
        at = each.source.location if case.has_positions else float(number + 1)
        if at is not None:
            hidden = why not in ("", "repeated")
            found.append(
                StripSlice(
                    number,
                    at,
                    _KINDS.get(why, why),
                    {} if hidden else each.probabilities,
                    each.lung_share,
                    slice_words(each, why, number),
                )
            )
    return found


def slice_words(each: SeriesSlice, why: str, number: int) -> str:
    """Say in a few lines of HTML what stands at a place of the strip."""
    place = f"Slice {number + 1}"
    if each.source.location is not None:
        place += f", {position_text(each.source.location)}"
    lines = [f"<b>{place}</b>"]
    if why:
        lines.append(f"does not count: {LEFT_OUT[why]}")
    if why in ("", "repeated"):
        ranked = sorted(each.probabilities.items(), key=lambda pair: -pair[1])
        lines += [f"{html.escape(label)} {score_text(value)}" for label, value in ranked]
    elif _KINDS.get(why, why) != "non-informative":
        lines += _wrapped(str(each.answer["reason"]))
    if each.lung_share is not None:
        lines.append(f"lung {each.lung_share:.0%} of the body")
    return "<br>".join(lines)


def draw_case(case: Case, labels: list[str]) -> None:
    """Draw the answer for the whole series, and what it rests on."""
    counted = f"{len(case.used)} of {len(case.slices)} slices count"
    out = case.left_out_words()
    if case.label is None:
        widgets.callout(case.reason, tone="warn", title="No answer for the series")
    else:
        colors = class_colors(labels)
        answers = ", ".join(f"{count} {label}" for label, count in case.counts.items())
        rows = "".join(
            f'<div class="p-score" data-first="{str(label == case.label).lower()}">'
            f"<span>{html.escape(label)}</span>"
            f'<i><b style="width:{100 * value:.1f}%;background:{colors[label]}"></b></i>'
            f"<em>{score_text(value)}</em></div>"
            for label, value in sorted(case.means.items(), key=lambda pair: -pair[1])
        )
        swatch = f'<i style="background:{colors[case.label]}"></i>'
        st.html(
            f'<div class="p-answer"><p>The series as a case</p><h3>{swatch}{html.escape(case.label)}</h3>'
            f'<div class="p-scores">{rows}</div>'
            f"<small>{counted}: {html.escape(answers)}."
            + (f" Left out: {html.escape(out)}." if out else "")
            + "</small></div>"
        )
    widgets.research_notice()


def draw_notes(case: Case) -> None:
    """Draw how the answer was made and what it does not know, and what is odd about the series."""
    unplaced = len(case.slices) - len(strip_slices(case))
    notes = [f"{case.rule} {UNVALIDATED}"] if case.label is not None else []
    notes += case.notes
    if unplaced:
        reason = next(str(each.answer["reason"]) for each in case.slices if each.answer["status"] == "error")
        notes.append(f"{unplaced} cannot be read and have no place on the strip. The first: {reason}")
    if notes:
        st.html(
            '<div class="p-meaning">' + "".join(f"<p>{html.escape(note)}</p>" for note in notes) + "</div>"
        )


def _wrapped(text: str, width: int = 60) -> list[str]:
    import textwrap

    return [html.escape(line) for line in textwrap.wrap(text, width)]
