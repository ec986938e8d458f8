"""The empty states that several pages share: no data set, no model, or not the one that was asked for."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import loaders
from dashboard.widgets.choices import Missing, missing, remember
from dashboard.widgets.parts import empty_state
from pipeline.jobs import Job, JobStore

_BRINGING = ("demo", "index")  # the kinds of job that end with a data set
_DEMO, _OWN, _TRAIN = "Build the demo", "Add your own slices", "Train one"


def no_dataset() -> None:
    """Draw the empty state of a workspace without data: build the demo, or add a folder of one's own.

    While a job brings data, its progress is shown, and the page draws itself when the data is there. Where
    another data set was asked for, that is said instead.
    """
    if (asked := missing("dataset")) is not None:
        not_shown("dataset", asked)
        return
    if _active(*_BRINGING):
        _progress(*_BRINGING)
        return
    pressed = empty_state(
        "No data set yet",
        "Build the demo (synthetic patients and a small model, one to three minutes), or add a folder of "
        "your own slices: one folder a class, PNG, JPEG, TIFF, BMP, DICOM, NIfTI or ZIP. Files are read "
        "where they lie and never changed.",
        action=_DEMO,
        other=_OWN,
        command="python -m pipeline index FOLDER --name NAME",
        key="no-dataset",
    )
    _act(pressed)


def no_run() -> None:
    """Draw the empty state of a workspace without a trained model: train one, or build the demo.

    Where another run was asked for, that is said instead.
    """
    if (asked := missing("run")) is not None:
        not_shown("run", asked)
        return
    if _active("demo"):
        _progress("demo")
        return
    names = {info.name for info in loaders.datasets()}
    if _active("train"):
        text = "A training is under way; its model is here once it has ended. Train shows how far it is."
    else:
        text = (
            "Train one on the Train page, or build the demo, which brings a small model trained on synthetic "
            "patients."
        )
    offers = [_TRAIN] * bool(names) + [_DEMO] * ("demo" not in names) + [_OWN] * (not names)
    pressed = empty_state(
        "No model yet",
        text,
        action=offers[0],
        other=offers[1] if len(offers) > 1 else "",
        command="python -m pipeline demo",
        key="no-run",
    )
    _act(pressed)


def not_shown(name: str, asked: Missing) -> None:
    """Say that what was asked for can't be shown, and why; show something else only if the user says so."""
    pressed = empty_state(
        asked.title, asked.text, action=f"Show {asked.offered_text} instead", key=f"missing-{name}"
    )
    if pressed:
        remember(name, asked.offered)
        for other in asked.forgets:
            remember(other, None)
        st.rerun()


def _act(pressed: str) -> None:
    """Do what a button of an empty state says."""
    if pressed == _DEMO:
        JobStore(loaders.workspace()).submit("demo", ["demo"], "Demo")
        st.rerun()
    if pressed == _OWN:
        st.session_state["explore.add"] = True  # Explore opens its dialog
        st.switch_page("views/explore.py")
    if pressed == _TRAIN:
        st.switch_page("views/train.py")


def _active(*kinds: str) -> list[Job]:
    return [job for job in loaders.jobs() if job.active and job.kind in kinds]


@st.fragment(run_every=1.0)
def _progress(*kinds: str) -> None:
    active = _active(*kinds)
    if not active:
        st.rerun()
    job = active[0]
    with st.container(key="h-empty-progress"):
        title, said = job.title or job.kind, job.message or job.status
        st.html(
            f'<div class="h-empty"><h2>Data is on its way</h2><p>{html.escape(f"{title}: {said}")}</p></div>'
        )
        st.progress(job.fraction)
