"""Bringing data in: a dialog that starts the index, its progress, and what can be done with a data set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders, widgets
from pipeline.errors import HilumError
from pipeline.jobs import Job, JobStore
from pipeline.workspace import checked_name

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo

SUBFOLDERS_SHOWN = 6
FOLDER_OF_FILE = "name the folder that it lies in. ZIP archives in a folder are read as folders are."


class AddingError(HilumError):
    """What was typed in the dialog cannot be indexed."""


def draw_controls(dataset: DatasetInfo | None) -> None:
    """Draw the buttons beside the picker: add data, and what can be done with the data set shown."""
    pressed = st.button("Add data", key="add-data", icon=":material/create_new_folder:")
    if st.session_state.pop("explore.add", False) or pressed:  # the first by another page's empty state
        _add_dialog()
    if dataset is not None:
        with st.popover("", icon=":material/more_vert:", help="About this data set"):
            _draw_about(dataset)


def draw_progress() -> None:
    """Draw the indexing that runs, or why the last one failed; the page draws itself again when it ends."""
    jobs = loaders.jobs("index")
    if any(job.active for job in jobs):
        _draw_running()
    elif (
        jobs
        and jobs[0].status in ("failed", "lost")
        and jobs[0].id != st.session_state.get("explore.dismissed")
    ):
        with st.container(horizontal=True, vertical_alignment="center", key="index-failed"):
            widgets.callout(jobs[0].message, tone="bad", title=jobs[0].title)
            if st.button("", icon=":material/close:", key="dismiss-index"):
                st.session_state["explore.dismissed"] = jobs[0].id
                st.rerun()


@st.fragment(run_every=0.7)
def _draw_running() -> None:
    active = [job for job in loaders.jobs("index") if job.active]
    if not active:
        finished = [job for job in loaders.jobs("index") if job.status == "finished"]
        if finished and finished[0].id == st.session_state.pop("explore.follow", None):
            widgets.remember("dataset", _name_of(finished[0]))
            widgets.remember("slice", None)
        st.rerun()
    for job in active:
        with widgets.panel(key=f"index-{job.id}"), st.container(horizontal=True, vertical_alignment="center"):
            st.progress(job.fraction, text=f"**{job.title}**: {job.message or 'looks at the folder'}")
            if st.button("Stop", key=f"stop-{job.id}", icon=":material/stop:"):
                JobStore(loaders.workspace()).stop(job.id)


@st.dialog("Add a data set", width="medium")
def _add_dialog() -> None:
    st.caption(
        "A folder on this machine, one folder a class: PNG, JPEG, TIFF, BMP, DICOM, NIfTI or ZIP, mixed as "
        "you like. Files are read where they lie and never changed. pCT, nCT and NiCT, covid and normal are "
        "recognised."
    )
    folder = st.text_input("Folder", key="add.folder", placeholder="/data/ct-slices")
    source = Path(folder.strip().strip("\"'")).expanduser() if folder.strip() else None
    if source is not None:
        st.caption(_look_into(source))
    suggestion = _suggest_name(source)
    name = st.text_input("Name", key="add.name", placeholder=suggestion or "letters, digits, - and _")
    labels = st.text_input(
        "Labels CSV (optional)",
        key="add.labels",
        placeholder="path,label,patient_id,source: with patient ids, splits keep patients together",
        help="Paths in it are relative to the folder. A labels.csv in the folder is taken by itself.",
    )
    table = Path(labels.strip().strip("\"'")).expanduser() if labels.strip() else None
    if table is None and source is not None:
        table = source / "labels.csv"
    if table is not None and table.is_file():
        st.caption(_look_at_labels(table))
    with widgets.guarded():
        if st.button("Read it", type="primary", key="add-start", disabled=source is None and not folder):
            job = submit_index(source, name=name.strip() or suggestion, labels=labels.strip().strip("\"'"))
            st.session_state["explore.follow"] = job.id
            st.rerun()


def submit_index(source: Path | None, *, name: str, labels: str = "") -> Job:
    """Queue the indexing of a folder.

    Raises:
        AddingError: there is no such folder or labels file.
        InvalidNameError: the name cannot be one.
    """
    if source is not None and source.is_file():
        raise AddingError(f"{source} is a file: {FOLDER_OF_FILE}")
    if source is None or not source.is_dir():
        raise AddingError(f"There is no folder {source or ''} on this machine: check the path.")
    argv = ["index", str(source.absolute()), "--name", checked_name(name)]
    if labels:
        path = Path(labels).expanduser()
        if not path.is_file():
            raise AddingError(f"There is no labels file {path}: check the path, or leave it empty.")
        argv += ["--labels", str(path.absolute())]
    return JobStore(loaders.workspace()).submit("index", argv, f"Index {name}")


def _look_into(source: Path) -> str:
    """Say what a folder holds at first sight."""
    try:
        if source.is_file():
            return f"This is a file: {FOLDER_OF_FILE}"
        if not source.is_dir():
            return "There is no such folder."
        entries = sorted(entry for entry in source.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"It cannot be listed ({error.strerror})."
    folders = [entry.name for entry in entries if entry.is_dir()]
    shown = ", ".join(folders[:SUBFOLDERS_SHOWN]) + (" ..." if len(folders) > SUBFOLDERS_SHOWN else "")
    files = len(entries) - len(folders)
    csv = " A labels.csv lies in it and will be used." if (source / "labels.csv").is_file() else ""
    return f"It holds {len(folders)} folders ({shown or 'none'}) and {files:,} files.{csv}"


def _look_at_labels(table: Path) -> str:
    """Say what the columns of a labels file will be taken for, or why it cannot be used."""
    from pipeline.data.labels import LabelsError, read_header

    try:
        return f"{table.name}: {read_header(table).text()}"
    except LabelsError as error:
        return str(error)


def _suggest_name(source: Path | None) -> str:
    """Return a data set's name made of the folder's."""
    if source is None:
        return ""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-._")[:64]


def _name_of(job: Job) -> str:
    return job.argv[job.argv.index("--name") + 1]


def _draw_about(dataset: DatasetInfo) -> None:
    from pipeline.data.datasets import describe_removal, remove_dataset, require_manifest

    manifest = require_manifest(loaders.workspace(), dataset.name)
    st.markdown(f"**{dataset.name}**")
    st.code(manifest["source"], language=None)
    labels = manifest["labels_csv"]
    st.caption(
        f"Indexed {manifest['updated'].replace('T', ' ')[:16]} UTC. "
        + (f"Labels from {labels}." if labels else "Labels from the folders' names.")
    )
    for sentence in manifest.get("columns", []):
        st.caption(sentence)
    if st.button("Read again what changed", key="reindex", icon=":material/refresh:", width="stretch"):
        with widgets.guarded():
            submit_index(Path(manifest["source"]), name=dataset.name, labels=labels or "")
            st.rerun()
    if st.toggle("Remove it", key=f"remove-{dataset.name}"):
        with widgets.guarded():
            st.caption(describe_removal(loaders.workspace(), dataset.name))
            if st.button("Remove for good", key="remove-sure", icon=":material/delete:", width="stretch"):
                remove_dataset(loaders.workspace(), dataset.name)
                widgets.remember("dataset", None)
                widgets.remember("slice", None)
                st.rerun()
