"""Averaging as an option: over moved copies of the slice, over further networks; with its measured gain."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import predict as read
from pipeline.inference.averaging import Averaging
from pipeline.jobs import JobStore
from pipeline.runs import RunInfo

VIEWS = 8
_VIEWS, _RUNS = "predict.views", "predict.ensemble"


def chosen_averaging(run: RunInfo) -> read.Averaged:
    """Return what the user chose to average over; the choice of networks holds for this run."""
    views = VIEWS if st.session_state.get(_VIEWS) else 1
    return views, tuple(st.session_state.get(f"{_RUNS}.{run.id}", ()))


def draw_averaging(run: RunInfo, averaging: Averaging) -> None:
    """Draw the options, and what the chosen one was seen to gain."""
    others = {each.id: each.name for each in loaders.runs() if _matches(run, each)}
    with st.popover("Average the answer", icon=":material/stacks:", type="tertiary"):
        st.toggle(
            f"Over {VIEWS} moved copies of the slice", key=_VIEWS, persist_state="session",
            help="Turned and shifted a little, as in training. Maps stay those of the slice itself.",
        )  # fmt: skip
        st.multiselect(
            "With further networks", list(others), format_func=lambda run_id: others[run_id],
            key=f"{_RUNS}.{run.id}", placeholder="runs with the same classes", disabled=not others,
        )  # fmt: skip
        if not averaging.is_plain:
            _draw_gain(run, averaging)


def _matches(run: RunInfo, other: RunInfo) -> bool:
    """Return whether another run can be asked and knows the same classes."""
    if other.id == run.id or not read.has_engine(other) or not read.has_engine(run):
        return False
    return set(_classes(other)) == set(_classes(run))


def _classes(run: RunInfo) -> list[str]:
    from pipeline.workspace import read_json

    return list(read_json(run.artifacts / "engine" / "engine.json")["classes"])


def _draw_gain(run: RunInfo, averaging: Averaging) -> None:
    from pipeline.evaluation.gain import known_gains

    found = known_gains(run).get(averaging.key)
    if found is not None:
        st.caption(gain_words(found))
        return
    st.caption("What it gains on validation was not measured yet.")
    views, others = chosen_averaging(run)
    command = [
        "gain",
        run.id,
        "--tta",
        str(views),
        *(word for other in others for word in ("--ensemble", other)),
    ]
    if st.button("Measure it", key="predict-gain", icon=":material/straighten:"):
        job = JobStore(loaders.workspace()).submit("gain", command, f"Gain of averaging, {run.name}")
        st.caption(f"It is measured in the background ({job.status}); come back to see it.")


def gain_words(found: dict[str, Any]) -> str:
    """Say what averaging gained, and on what that was measured."""
    auc, loss = found["macro_auc"], found["log_loss"]
    return (
        f"On {found['basis']}: mean AUC {_number(auc['plain'])} plain, {_number(auc['averaged'])} averaged, "
        f"difference {widgets.estimate_text(auc['difference'], 3)}; log loss {_number(loss['plain'])} and "
        f"{_number(loss['averaged'])}, difference {widgets.estimate_text(loss['difference'], 3)}; "
        f"calibration error {_number(found['ece']['plain'])} and {_number(found['ece']['averaged'])}."
    )


def _number(estimate: dict[str, float | None]) -> str:
    return "n/a" if estimate["value"] is None else f"{estimate['value']:.3f}"
