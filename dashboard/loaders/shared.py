"""The workspace of this process, and the lists of data sets, runs and jobs in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pipeline.jobs import Job, JobStore
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo
    from pipeline.runs import RunInfo


def workspace() -> Workspace:
    """Return the workspace (HILUM_WORKSPACE, else ./workspace); the first call starts what is queued."""
    return _open_workspace(os.environ.get("HILUM_WORKSPACE") or "workspace")


@st.cache_resource(show_spinner=False)
def _open_workspace(root: str) -> Workspace:
    opened = Workspace.open(root)
    JobStore(opened).pump()
    return opened


def stamp(path: Path) -> float:
    """Return when `path` was last written, 0 where it isn't there: makes a cached loader read anew."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def datasets() -> list[DatasetInfo]:
    """Return the indexed data sets of the workspace, newest first."""
    from pipeline.data.datasets import list_datasets

    return list_datasets(workspace())


def runs() -> list[RunInfo]:
    """Return the runs of the workspace, newest first."""
    from pipeline.runs import RunStore

    return RunStore(workspace()).list()


def jobs(kind: str | None = None) -> list[Job]:
    """Return the jobs of the workspace, newest first."""
    return JobStore(workspace()).list(kind)
