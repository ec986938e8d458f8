"""One reading: the slice alone, the reader's label, the model's opinion, the end."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import widgets
from dashboard.loaders import pictures
from dashboard.loaders import review as read
from dashboard.review import clock, session
from dashboard.review.session import Worklist
from dashboard.viewer import GreyLayer, HeatLayer, HuLayer, Layer, Panel, viewer
from pipeline.errors import user_errors
from pipeline.inference.prediction import score_text
from pipeline.inference.wording import has_answer, shown_labels
from pipeline.review.store import CANNOT_JUDGE, AlreadyReadError, Opinion

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction

HEATMAP_METHOD = "closed-form CAM"
HEIGHT = 560
NOT_SHOWN = "The slice could not be shown to the reader."


def draw_reading(worklist: Worklist) -> None:
    """Draw the slice at hand at the stage where its reading stands."""
    correcting = st.session_state.get("review.correcting")
    at_hand = (correcting, "correcting") if correcting in worklist.readings else worklist.next()
    if at_hand is None:
        _draw_end(worklist)
        return
    slice_id, stage = at_hand
    clock.start(worklist.run.id, slice_id, stage, known=not session.first_look(worklist))
    if stage == "blind":
        _draw_blind(worklist, slice_id)
    else:
        _draw_informed(worklist, slice_id, correcting=stage == "correcting")


def _draw_blind(worklist: Worklist, slice_id: str) -> None:
    picture, side = st.columns([7, 3], gap="medium")
    with picture:
        seen = _show_slice(worklist, slice_id)
    with side, widgets.panel(key="review-side"):
        _progress(worklist)
        widgets.heading("What do you see?", "the model is hidden")
        _say_unseen(seen)
        pressed = _label_buttons(worklist, key="blind", seen=seen)
        _clock_line()
        _back_button(worklist)
    if pressed is not None:
        _record_first(worklist, slice_id, pressed, seen=seen)
    if seen:
        _warm_up(worklist, slice_id)


def _record_first(worklist: Worklist, slice_id: str, label: str, *, seen: bool) -> None:
    reading: dict[str, Any] = {
        "reader": worklist.reader,
        "dataset": str(worklist.run.params.get("dataset")),
        "slice_id": slice_id,
        "run": worklist.run.id,
        "shown_at": clock.shown_at(),
        "worklist": worklist.name,
    }
    try:
        if seen:
            read.store().record_first_read(**reading, label=label, seconds=clock.seconds())
        else:
            read.store().record_not_judged(**reading, reason=NOT_SHOWN)
    except AlreadyReadError as error:
        st.toast(str(error))
    clock.forget()
    st.rerun()


def _draw_informed(worklist: Worklist, slice_id: str, *, correcting: bool) -> None:
    row = worklist.readings[slice_id]
    reading_id = str(row["reading_id"])
    prediction, shown = _revealed(worklist, slice_id, reading_id)
    picture, side = st.columns([7, 3], gap="medium")
    with picture:
        seen = _show_slice(worklist, slice_id, prediction if shown.status == "ok" else None)
    with side, widgets.panel(key="review-side"):
        _progress(worklist)
        labels = worklist.run.class_names
        first = row["blind_corrected_to"] or row["blind_label"]
        st.html(f'<div class="h-said">You said {widgets.class_badge(str(first), labels)}</div>')
        _show_opinion(shown, labels)
        widgets.heading("Your final label", "correcting" if correcting else "")
        note = st.text_area(
            "Note", value=str(row["note"] or "") if correcting else "", key=f"review.note.{reading_id}",
            height=80, max_chars=2000, placeholder="optional",
        )  # fmt: skip
        _say_unseen(seen)
        pressed = _label_buttons(
            worklist, key="final", chosen=str(row["final_label"] if correcting else first), seen=seen
        )
        _clock_line()
        if correcting:
            if st.button("Leave it as it was", key="review.leave", width="stretch"):
                clock.forget()
                st.session_state.pop("review.correcting")
                st.rerun()
        elif row["blind_corrected_to"] is None:
            _slip(reading_id, labels, str(row["blind_label"]))
    if pressed is not None:
        _record_final(reading_id, pressed, note, correcting=correcting)


def _record_final(reading_id: str, label: str, note: str, *, correcting: bool) -> None:
    store = read.store()
    record = store.correct_final if correcting else store.record_final
    try:
        record(reading_id, label=label, note=note, seconds=clock.seconds())
    except AlreadyReadError as error:
        st.toast(str(error))
    clock.forget()
    st.session_state.pop("review.correcting", None)
    st.rerun()


def _revealed(worklist: Worklist, slice_id: str, reading_id: str) -> tuple[Prediction | None, Opinion]:
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


def _show_slice(worklist: Worklist, slice_id: str, prediction: Prediction | None = None) -> bool:
    """Show the slice; with a prediction, its heatmap beside it. Nothing names the file or its class.

    Returns whether there is a picture to judge.
    """
    shown = False
    with widgets.guarded("The slice could not be shown."):
        found = pictures.slice_image(str(worklist.run.params.get("dataset")), slice_id)
        base: Layer = HuLayer(found.image) if found.intensity == "hu" else GreyLayer(found.image)
        placed = pictures.placement(found)
        panels = [Panel([base], title="Slice", **placed)]
        if prediction is not None:
            heat = HeatLayer(
                prediction.on_slice(prediction.heatmap.values),
                low=0.0,
                high=prediction.heat_limit(),
                unit="logit margin a cell",
                fade=True,
            )
            title = f"What speaks for {prediction.label}"
            panels.append(Panel([base, heat], title=title, **placed))
        viewer(panels, key="review.viewer", subject=slice_id, height=HEIGHT, digits=False)
        shown = True
    return shown


def _say_unseen(seen: bool) -> None:
    if not seen:
        widgets.callout(
            "There is no picture to judge. Say so and go on; this reading will count in no figure.",
            tone="warn",
            title="The slice cannot be shown",
        )


def _show_opinion(shown: Opinion, labels: list[str]) -> None:
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


def _label_buttons(worklist: Worklist, *, key: str, seen: bool, chosen: str = "") -> str | None:
    """Draw one big button a class, with the keys 1, 2, 3..., and 0 for a slice that cannot be judged.

    Returns what was pressed. Of a slice that is not `seen` no class can be given.
    """
    pressed = None
    for number, label in enumerate(worklist.run.class_names, 1):
        if st.button(
            label,
            key=f"review.{key}.{number}",
            type="primary" if label == chosen else "secondary",
            shortcut=str(number) if number <= 9 else None,
            width="stretch",
            disabled=not seen,
        ):
            pressed = label
    chosen_so = not seen or chosen == CANNOT_JUDGE
    if st.button(
        "Cannot judge", key=f"review.{key}.0", type="primary" if chosen_so else "secondary", shortcut="0",
        width="stretch", help="Goes on record in place of a label and counts in no figure.",
    ):  # fmt: skip
        pressed = CANNOT_JUDGE
    return pressed


def _progress(worklist: Worklist) -> None:
    done, total = worklist.done, len(worklist.slices)
    st.progress(done / total if total else 1.0, text=f"{done:,} of {total:,} read by {worklist.reader}")


@st.fragment(run_every=1.0)
def _clock_line() -> None:
    passed = clock.seconds()
    if passed is None:
        text = "Time not recorded: the slice may have been on the screen before"
    else:
        text = f"{int(passed) // 60}:{int(passed) % 60:02d}"
    st.html(f'<div class="h-clock">{text}</div>')


def _back_button(worklist: Worklist) -> None:
    last = worklist.last_finished()
    if last is not None and st.button(
        "Correct the last one",
        key="review.back",
        icon=":material/undo:",
        type="tertiary",
        shortcut="Backspace",
    ):
        st.session_state["review.correcting"] = last
        st.rerun()


def _slip(reading_id: str, labels: list[str], said: str) -> None:
    """Draw the way to say that the first label was a slip of the finger."""
    with st.popover("I pressed the wrong key", type="tertiary", icon=":material/undo:"):
        st.caption(
            "Your first label stays on record; what you meant is added. Since you have seen the model's "
            "opinion, this reading no longer counts as blind."
        )
        for label in labels:
            if label != said and st.button(f"I meant {label}", key=f"review.meant.{label}", width="stretch"):
                read.store().correct_first_read(reading_id, label=label)
                st.rerun()


def _draw_end(worklist: Worklist) -> None:
    with widgets.panel(key="review-end"):
        widgets.heading("All slices of this list are read", f"{worklist.done:,} by {worklist.reader}")
        st.caption("See how far you agree under Agreement; take the readings with you under Readings.")
        _back_button(worklist)


def _warm_up(worklist: Worklist, slice_id: str) -> None:
    """Ask the model while the reader looks, so that its opinion is there at once. Nothing is shown."""
    try:
        read.opinion(worklist.run, slice_id)
    except user_errors():
        pass  # said when the opinion is due
