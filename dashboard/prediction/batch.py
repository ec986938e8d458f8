"""A whole folder on the Predict page: begun here, run as a job, its table told when it is there."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import streamlit as st

from dashboard import loaders, widgets
from dashboard.widgets.parts import Tone
from pipeline.errors import HilumError
from pipeline.jobs import Job, JobStore
from pipeline.runs import RunInfo

KIND = "batch"
SHOWN = 8  # jobs
_REFRESH = 1.0
_TONES: dict[str, Tone] = {"finished": "good", "failed": "bad"}


class BatchRequestError(HilumError):
    """What was typed cannot be predicted."""


def draw_batch(run: RunInfo) -> None:
    """Draw what begins a batch, and the batches that run and ran."""
    with widgets.panel(
        "Predict a whole folder",
        "in the background: this page may be closed meanwhile; what is finished is kept, whatever happens",
        key="predict-batch",
    ):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            folder = st.text_input(
                "Folder on this machine", key="predict.batch.folder", placeholder="/data/ct-slices",
                help="A folder, a ZIP archive or a volume. All slices in it, whatever their format.",
                width="stretch",
            )  # fmt: skip
            format = st.segmented_control(
                "Table", ["Parquet", "CSV"], default="Parquet", required=True, key="predict.batch.format",
                persist_state="session",
            )  # fmt: skip
            pressed = st.button(
                "Predict it", type="primary", key="predict-batch-start", icon=":material/play_arrow:",
                disabled=not folder.strip(),
            )  # fmt: skip
        st.caption(
            "One row a slice: answer, scores, probabilities, the gate's verdict, which classes cannot be "
            "excluded, whether the model has seen it. A file that cannot be read is a row with its reason."
        )
        with widgets.guarded():
            if pressed:
                submit_batch(run, folder, suffix=f".{str(format).lower()}")
                st.rerun()
    busy = any(job.active for job in loaders.jobs(KIND))
    st.fragment(_draw_jobs, run_every=_REFRESH if busy else None)(busy)


def submit_batch(run: RunInfo, folder: str, *, suffix: str) -> Job:
    """Queue the prediction of a folder; its table goes into the workspace.

    Raises:
        BatchRequestError: there is no such folder.
    """
    source = Path(folder.strip().strip("\"'")).expanduser()
    if not folder.strip() or not source.exists():
        raise BatchRequestError(f"There is no folder {source} on this machine: check the path.")
    target = target_of(run, source, suffix=suffix)
    argv = ["predict", run.id, str(source.absolute()), "--out", str(target), "--resume"]
    return JobStore(loaders.workspace()).submit(KIND, argv, f"{source.name} with {run.name}")


def target_of(run: RunInfo, source: Path, *, suffix: str) -> Path:
    """Return where the table of a folder goes: named after folder, model and hour, so that none is lost."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{source.name}-{run.name}").strip("-.")[:100]
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    return loaders.workspace().root / "predictions" / f"{words}-{now}{suffix}"


@widgets.guarded("The batches could not be shown.")
def _draw_jobs(busy: bool) -> None:
    jobs = loaders.jobs(KIND)[:SHOWN]
    for job in jobs:
        with widgets.panel(key=f"batch-{job.id}"):
            _draw_job(job)
    if busy and not any(job.active for job in jobs):
        st.rerun()  # the last one ended: the page stays quiet from here on


def _draw_job(job: Job) -> None:
    store = JobStore(loaders.workspace())
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.active:
            st.progress(job.fraction, text=f"{job.title}: {job.message or 'waits for its turn'}")
            if st.button("Stop", key=f"batch-stop-{job.id}", icon=":material/stop:"):
                store.stop(job.id)
                st.rerun()
            return
        title = job.title if job.status == "finished" else f"{job.title}: {job.status}"
        widgets.callout(
            job.message or "Nothing was written.", tone=_TONES.get(job.status, "warn"), title=title
        )
        if job.status != "finished" and st.button(
            "Go on", key=f"batch-resume-{job.id}", icon=":material/resume:",
            help="With the slices that are not answered yet",
        ):  # fmt: skip
            store.resume(job.id)
            st.rerun()
