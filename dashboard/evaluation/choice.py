"""Which slices a run is evaluated on, and the door before its test part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import evaluate as read
from pipeline.jobs import JobStore

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

WORDS = {
    "val": "Validation",
    "test": "Test part",
    "calibration": "Calibration part",
    "train": "Training slices",
}


def data_picker(run: RunInfo) -> str | None:
    """Draw the choice of slices: a part (`val`), or another data set (`dataset:NAME`).

    Validation comes first: it is free to look at. None where something else was asked for that this run has
    not; `no_data` says what.
    """
    options = [*read.parts_of(run), *(f"dataset:{name}" for name in _others(run))]
    chosen = widgets.recall("data") or options[0]
    known = chosen if chosen in options else None
    st.session_state["evaluate.data"] = known
    st.selectbox(
        "On",
        options,
        key="evaluate.data",
        format_func=_named,
        on_change=lambda: widgets.remember("data", st.session_state["evaluate.data"]),
        width=200,
        index=None if known is None else 0,
        placeholder="Choose",
    )
    return known


def no_data(run: RunInfo) -> None:
    """Say that the slices that were asked for can't be shown of this run, and why."""
    asked, first = widgets.recall("data") or "", read.parts_of(run)[0]
    text = f"{_why_no_data(run, asked)} No figures are shown in its place."
    title = f"{_named(asked)} cannot be shown"
    widgets.not_shown("data", widgets.Missing(title, text, first, _named(first).lower()))


def _others(run: RunInfo) -> list[str]:
    return [info.name for info in loaders.datasets() if info.name != run.params.get("dataset")]


def _named(option: str) -> str:
    return WORDS.get(option, option.removeprefix("dataset:"))


def _why_no_data(run: RunInfo, asked: str) -> str:
    if asked in WORDS:
        return f"{run.name} has no predictions of this part."
    if not asked.startswith("dataset:"):
        return f"There is no part {asked!r}."
    if asked == f"dataset:{run.params.get('dataset')}":
        return f"{run.name} was trained on this data set: choose one of its parts."
    return (
        "There is no such data set here: it was removed, with the predictions kept in it. Index its folder "
        "again under this name to evaluate on it."
    )


def open_door(run: RunInfo) -> bool:
    """Return whether the run's test part was opened; until then draw the door.

    Once it was, it stays open while its figures stay what they are.
    """
    if read.is_open(run):
        return True
    own, others = read.openings(run)
    times = "has not been opened yet" if not own else f"was opened {'once' if own == 1 else f'{own} times'}"
    shared = f"; {others} models' were, on the same split" if others > int(own > 0) else ""
    changed = " Its figures are others now." if own else ""
    pressed = widgets.empty_state(
        "The test part is closed",
        "It tells the truth once: whoever looks, changes something and looks again has begun to train on it. "
        "Choose by validation, then open it. Each opening is logged; to read the same figures again counts "
        f"as none. This model's {times}{shared}.{changed}",
        action="Open the test part",
        key="test-door",
    )
    if pressed:
        read.open_test(run)
        st.rerun()
    return False


def dataset_findings(run: RunInfo, dataset: str) -> read.Findings | None:
    """Return the evaluation on another data set; until it is predicted, draw how to, or the progress."""
    found = read.dataset_findings(run, dataset)
    if found is not None:
        return found
    title = f"Evaluate {run.name} on {dataset}"
    if any(job.active for job in loaders.jobs("evaluate") if job.title == title):
        _progress(title)
        return None
    failed = next((job for job in loaders.jobs("evaluate") if job.title == title), None)
    if failed is not None and failed.status in ("failed", "lost"):
        widgets.callout(failed.message, tone="bad", title="The last try ended early")
    pressed = widgets.empty_state(
        f"{dataset} was not predicted by this model yet",
        "Its slices are prepared with the model's own recipe and predicted in the background; that takes "
        "about a minute for a thousand slices. The result is kept with the data set.",
        action="Predict and evaluate",
        command=f"python -m pipeline evaluate {run.id[:8]} --dataset {dataset}",
        key="predict-dataset",
    )
    if pressed:
        store = JobStore(loaders.workspace())
        store.submit("evaluate", ["evaluate", run.id, "--dataset", dataset], title)
        st.rerun()
    return None


@st.fragment(run_every=1.0)
def _progress(title: str) -> None:
    active = [job for job in loaders.jobs("evaluate") if job.title == title and job.active]
    if not active:
        st.rerun()
    widgets.empty_state(title, active[0].message or active[0].status, key="evaluating")
    st.progress(active[0].fraction)
