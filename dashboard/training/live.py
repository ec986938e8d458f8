"""The right side of the Train page: the queue, the run that is watched, the table of runs, sweeps.

While a training runs or waits, what changes refreshes itself; what the user may be working in (the name and
note of a run, a comparison) does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders, widgets
from dashboard.training.comparing import draw_comparison
from dashboard.training.plots import draw_curves, read_curves
from dashboard.training.queue import KINDS, draw_queue
from dashboard.training.sweep import draw_sweeps
from dashboard.training.table import choose, chosen_runs, draw_labels, draw_table
from dashboard.training.watched import draw_log, draw_run
from pipeline.jobs import Job

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

REFRESH_SECONDS = 2.0
TABLE_SECONDS = 5.0


def draw_live() -> None:
    """Draw the right side of the page; it refreshes itself while a training runs or waits."""
    busy, any_run = any(job.active for job in _jobs()), bool(loaders.runs())
    st.fragment(_now, run_every=REFRESH_SECONDS if busy else None)(busy, any_run)
    if not any_run:
        return
    st.fragment(_comparison)()
    with widgets.panel(
        "Runs",
        "figures of validation; choose one, or up to ten to lay them over each other",
        key="train-runs",
    ):
        st.fragment(_table, run_every=TABLE_SECONDS if busy else None)()
        st.fragment(_labels)()
    st.fragment(_sweeps, run_every=TABLE_SECONDS if busy else None)()


@widgets.guarded("The trainings could not be shown.")
def _now(busy: bool, any_run: bool) -> None:
    """Draw what runs and what is watched.

    Args:
        busy: whether anything ran or waited when the whole page was drawn.
        any_run: whether there was any run.
    """
    jobs, runs = _jobs(), loaders.runs()
    if _follow(jobs) or (runs and not any_run):
        st.rerun()
    if jobs or runs:
        draw_queue(jobs, runs)
    _draw_failure(jobs)
    if runs:
        _draw_chosen(chosen_runs(runs), jobs)
    elif not any(job.active for job in jobs):
        widgets.empty_state(
            "No training yet",
            "Choose on the left what to train, and press Train. It runs in the background: this page may be "
            "closed meanwhile.",
            command="python -m pipeline train --dataset NAME --architecture EfficientNetV2B0",
            key="no-training",
        )
    if busy != any(job.active for job in loaders.jobs() if job.kind in KINDS):
        st.rerun()  # the first began or the last ended: the whole page, which then refreshes or stays quiet


def _draw_chosen(runs: Sequence[RunInfo], jobs: Sequence[Job]) -> None:
    with widgets.panel(key="train-live"):
        curves = read_curves(runs)
        if len(runs) == 1:
            own = next((job for job in jobs if job.run_id == runs[0].id), None)
            draw_run(runs[0], own, curves[0])
        else:
            widgets.heading(f"{len(runs)} runs", "validation, with the best epoch starred; training faint")
        draw_curves(curves)
        if len(runs) == 1:
            draw_log(runs[0])


@widgets.guarded("The runs could not be compared.")
def _comparison() -> None:
    runs = chosen_runs(loaders.runs())
    if len(runs) > 1:
        draw_comparison(runs)


@widgets.guarded("The table of runs could not be shown.")
def _table() -> None:
    draw_table(loaders.runs())


@widgets.guarded("The run's name and note could not be shown.")
def _labels() -> None:
    draw_labels(chosen_runs(loaders.runs()))


@widgets.guarded("The sweeps could not be shown.")
def _sweeps() -> None:
    draw_sweeps()


def _jobs() -> list[Job]:
    return [job for job in loaders.jobs() if job.kind in KINDS]


def _follow(jobs: Sequence[Job]) -> bool:
    """Choose a training that was just launched as soon as it has its run; return whether it has."""
    followed = st.session_state.get("train.follow")
    run_id = next((job.run_id for job in jobs if job.id == followed), None)
    if run_id is None:
        return False
    del st.session_state["train.follow"]
    choose([run_id])
    return True


def _draw_failure(jobs: Sequence[Job]) -> None:
    """Say why the newest training failed, where it got no run that could say it."""
    if jobs and jobs[0].status in ("failed", "lost") and jobs[0].run_id is None:
        widgets.callout(jobs[0].message, tone="bad", title=jobs[0].title)
