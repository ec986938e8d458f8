"""One reading: the slice alone, the reader's label, the model's opinion, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import widgets
from dashboard.loaders import pictures
from dashboard.loaders import review as read
from dashboard.review import clock, pressing, session
from dashboard.review.opinion import draw_opinion, reveal
from dashboard.review.pressing import Press, Stop
from dashboard.review.session import Stage, Worklist
from dashboard.viewer import GreyLayer, HeatLayer, HuLayer, Layer, Panel, viewer
from pipeline.errors import user_errors
from pipeline.review.store import CANNOT_JUDGE, AlreadyReadError

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction

HEIGHT = 560
NOT_SHOWN = "The slice could not be shown to the reader."


def draw_reading(worklist: Worklist) -> None:
    """Draw the slice at hand at the stage where its reading stands."""
    correcting = st.session_state.get("review.correcting")
    at_hand: Stop | None
    at_hand = (correcting, "correcting") if correcting in worklist.readings else worklist.next()
    pressed = pressing.take(at_hand, worklist.readings)
    if pressed is not None:
        _record(worklist, pressed)
    pressing.draw_dropped()
    if at_hand is None:
        _draw_end(worklist)
        return
    slice_id, stage = at_hand
    clock.start(worklist.run.id, slice_id, stage, known=not session.first_look(worklist))
    if stage == "blind":
        _draw_blind(worklist, slice_id)
    else:
        _draw_informed(worklist, slice_id, stage)


def _draw_blind(worklist: Worklist, slice_id: str) -> None:
    picture, side = st.columns([7, 3], gap="medium")
    pressing.show((slice_id, "blind"))
    with picture:
        seen = _show_slice(worklist, slice_id)
    with side, widgets.panel(key="review-side"):
        _progress(worklist)
        widgets.heading("What do you see?", "the model is hidden")
        _say_unseen(seen)
        _label_buttons(worklist, (slice_id, "blind"), seen=seen)
        _clock_line()
        _back_button(worklist)
    if seen:
        _warm_up(worklist, slice_id)


def _record(worklist: Worklist, pressed: Press) -> None:
    """Put on record what was pressed, and go on."""
    slice_id, stage = pressed.of
    store = read.store()
    try:
        if stage == "blind":
            _record_first(worklist, pressed)
        else:
            reading_id = str(worklist.readings[slice_id]["reading_id"])
            if pressed.slip:
                store.correct_first_read(reading_id, label=pressed.label)
            else:
                record = store.correct_final if stage == "correcting" else store.record_final
                record(reading_id, label=pressed.label, note=pressed.note, seconds=clock.seconds())
    except AlreadyReadError:
        pressing.drop(pressed.label, pressed.note)
    if not pressed.slip:
        _move_on()
    st.rerun()


def _move_on() -> None:
    """Leave the slice and stage at hand."""
    clock.forget()
    pressing.move_on()
    st.session_state.pop("review.correcting", None)


def _record_first(worklist: Worklist, pressed: Press) -> None:
    reading: dict[str, Any] = {
        "reader": worklist.reader,
        "dataset": str(worklist.run.params.get("dataset")),
        "slice_id": pressed.of[0],
        "run": worklist.run.id,
        "shown_at": clock.shown_at(),
        "worklist": worklist.name,
    }
    if pressed.seen:
        read.store().record_first_read(**reading, label=pressed.label, seconds=clock.seconds())
    else:
        read.store().record_not_judged(**reading, reason=NOT_SHOWN)


def _draw_informed(worklist: Worklist, slice_id: str, stage: Stage) -> None:
    correcting = stage == "correcting"
    row = worklist.readings[slice_id]
    reading_id = str(row["reading_id"])
    note_key = f"review.note.{reading_id}"
    pressing.show((slice_id, stage), note_key)
    prediction, shown = reveal(worklist, slice_id, reading_id)
    picture, side = st.columns([7, 3], gap="medium")
    with picture:
        seen = _show_slice(worklist, slice_id, prediction if shown.status == "ok" else None)
    with side, widgets.panel(key="review-side"):
        _progress(worklist)
        labels = worklist.run.class_names
        first = row["blind_corrected_to"] or row["blind_label"]
        said = f"You said {widgets.class_badge(str(row['blind_label']), labels)}"
        if row["blind_corrected_to"]:
            said += f", meant {widgets.class_badge(str(first), labels)}"
        st.html(f'<div class="h-said">{said}</div>')
        draw_opinion(shown, labels)
        widgets.heading("Your final label", "correcting" if correcting else "")
        st.text_area(
            "Note", value=str(row["note"] or "") if correcting else "", key=note_key, height=80,
            max_chars=2000, placeholder="optional",
        )  # fmt: skip
        _say_unseen(seen)
        chosen = str(row["final_label"] if correcting else first)
        _label_buttons(worklist, (slice_id, stage), seen=seen, chosen=chosen, note_key=note_key)
        _clock_line()
        if correcting:
            if st.button("Leave it as it was", key="review.leave", width="stretch"):
                _move_on()
                st.rerun()
        elif row["blind_corrected_to"] is None:
            _slip((slice_id, stage), labels, str(row["blind_label"]))


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


def _label_buttons(worklist: Worklist, of: Stop, *, seen: bool, chosen: str = "", note_key: str = "") -> None:
    """Draw one big button a class, with the keys 1, 2, 3..., and 0 for a slice that cannot be judged.

    Of a slice that is not `seen` no class can be given.
    """
    key = "blind" if of[1] == "blind" else "final"
    for number, label in enumerate(worklist.run.class_names, 1):
        st.button(
            label,
            key=f"review.{key}.{number}",
            type="primary" if label == chosen else "secondary",
            shortcut=str(number) if number <= 9 else None,
            width="stretch",
            disabled=not seen,
            on_click=pressing.press,
            args=(of, label, note_key),
        )
    chosen_so = not seen or chosen == CANNOT_JUDGE
    st.button(
        "Cannot judge", key=f"review.{key}.0", type="primary" if chosen_so else "secondary", shortcut="0",
        width="stretch", help="Goes on record in place of a label and counts in no figure.",
        on_click=pressing.press, args=(of, CANNOT_JUDGE, note_key), kwargs={"seen": seen},
    )  # fmt: skip


def _progress(worklist: Worklist) -> None:
    done, total = worklist.done, len(worklist.slices)
    text = f"{done:,} of {total:,} read by {worklist.reader}"
    if total < worklist.size:
        text += f"; {worklist.size - total:,} of this list excluded"
    st.progress(done / total if total else 1.0, text=text)


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
        pressing.move_on()
        st.session_state["review.correcting"] = last
        st.rerun()


def _slip(of: Stop, labels: list[str], said: str) -> None:
    """Draw the way to say that the first label was a slip of the finger."""
    with st.popover("I pressed the wrong key", type="tertiary", icon=":material/undo:"):
        st.caption(
            "Your first label stays on record; what you meant is added. Since you have seen the model's "
            "opinion, this reading no longer counts as blind."
        )
        for label in labels:
            if label != said:
                st.button(
                    f"I meant {label}", key=f"review.meant.{label}", width="stretch",
                    on_click=pressing.press, args=(of, label), kwargs={"slip": True},
                )  # fmt: skip


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
