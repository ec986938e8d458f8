"""What tells that a training is over: the tab's title, and a notification of the browser where asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from pipeline.jobs import Job

HERE = Path(__file__).parent
MOST_JOBS = 40  # newest ones: those that may have ended since the last look


def draw_bell(jobs: Sequence[Job], names: Mapping[str, str]) -> None:
    """Draw the switch and tell the browser how the trainings stand.

    Args:
        jobs: newest first.
        names: what each is called, by its id.
    """
    told = [{"id": job.id, "name": names[job.id], "status": job.status} for job in jobs[:MOST_JOBS]]
    _component()(key="train-bell", data={"jobs": told}, width="content")


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hilum_bell",
        html='<button type="button" class="bell"></button>',
        css=(HERE / "bell.css").read_text("utf-8"),
        js=(HERE / "bell.js").read_text("utf-8"),
    )
