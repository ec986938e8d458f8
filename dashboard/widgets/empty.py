"""The empty states that several pages share: no data set, no model."""

from __future__ import annotations

import streamlit as st

from dashboard import loaders
from dashboard.widgets.parts import empty_state
from pipeline.jobs import Job, JobStore

_BRINGING = ("demo", "index")  # the kinds of job that end with a data set


def no_dataset() -> None:
    """Draw the empty state of a workspace without data: build the demo, or index a folder of one's own.

    While a job brings data, its progress is shown, and the page draws itself when the data is there.
    """
    if _active():
        _progress()
        return
    pressed = empty_state(
        "No data set yet",
        "Build the demo (synthetic patients, about a minute), or index a folder of your own slices: one "
        "folder a class, PNG, JPEG, TIFF, BMP, DICOM, NIfTI or ZIP. Files are read where they lie and never "
        "changed.",
        action="Build the demo data set",
        command="python -m pipeline index FOLDER --name NAME",
        key="no-dataset",
    )
    if pressed:
        JobStore(loaders.workspace()).submit("demo", ["demo"], "Demo data set")
        st.rerun()


def no_run() -> None:
    """Draw the empty state of a workspace without a trained model."""
    empty_state(
        "No model yet",
        "Train one on the Train page, or build the demo, which brings a small model trained on synthetic "
        "patients.",
        command="python -m pipeline demo",
        key="no-run",
    )


def _active() -> list[Job]:
    return [job for job in loaders.jobs() if job.active and job.kind in _BRINGING]


@st.fragment(run_every=1.0)
def _progress() -> None:
    active = _active()
    if not active:
        st.rerun()
    job = active[0]
    empty_state(
        "Data is on its way", f"{job.title or job.kind}: {job.message or job.status}", key="on-its-way"
    )
    st.progress(job.fraction)
