"""The queue: what runs, what waits and for what, in which order, and how to change that."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import watching as load
from dashboard.training.bell import draw_bell
from dashboard.training.cost import duration
from pipeline.errors import user_errors
from pipeline.jobs import Direction, Job, JobStore
from pipeline.storage import explained
from pipeline.training.waiting import Wait, config_of, seconds_left, waits_of, without_pace

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

KINDS = ("train", "sweep")
MOST_ROWS = 6  # that stand there without scrolling
MOST_AT_ONCE = 8
LEAST_TOLD = 10  # seconds: a shorter wait is over before it is read, and no estimate is so good
MOVES: tuple[tuple[Direction, str, str], ...] = (
    ("first", ":material/vertical_align_top:", "Start it as the next"),
    ("up", ":material/arrow_upward:", "One place earlier"),
    ("down", ":material/arrow_downward:", "One place later"),
)


def draw_queue(jobs: Sequence[Job], runs: Sequence[RunInfo]) -> None:
    """Draw the trainings that run and wait.

    Args:
        jobs: of all kinds that belong here, newest first.
        runs: all runs, for their names and pace.
    """
    store = JobStore(loaders.workspace())
    by_job = _runs_of(jobs, runs)
    names = {job.id: name_of(job, by_job.get(job.id)) for job in jobs}
    running = [job for job in reversed(jobs) if job.status == "running"]
    waiting = sorted((job for job in jobs if job.status == "queued"), key=lambda job: job.place)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train-queue-head"):
        with st.container(width="stretch"):
            widgets.heading("Queue", _summary(len(running), len(waiting)))
        draw_bell(jobs, names)
        _draw_at_once(store)
    if not running and not waiting:
        return
    left = _left(running, waiting, by_job)
    waits = waits_of(_trainings(running), _trainings(waiting), left, at_once=store.at_once)
    rows = len(running) + len(waiting)
    with st.container(
        border=True,
        key="h-panel-train-queue",
        gap=None,
        height=40 * MOST_ROWS if rows > MOST_ROWS else "content",
    ):
        for job in running:
            _draw_running(job, names[job.id], store)
        for place, job in enumerate(waiting, 1):
            text = _waits_for(waits.get(job.id), names)
            _draw_waiting(
                job, f"{place}. {names[job.id]}", text, store, edges=(place == 1, place == len(waiting))
            )


def name_of(job: Job, run: RunInfo | None) -> str:
    """Return what a job is called: as its run, as its run will be, or by its title."""
    if run is not None:
        return run.name
    if job.kind != "train":
        return job.title
    try:
        config = config_of(job, None)
    except user_errors():
        config = None
    return job.title if config is None or config.name is None else config.name


def _runs_of(jobs: Sequence[Job], runs: Sequence[RunInfo]) -> dict[str, RunInfo]:
    by_id = {run.id: run for run in runs}
    return {job.id: by_id[job.run_id] for job in jobs if job.run_id in by_id}


def _summary(running: int, waiting: int) -> str:
    if not running and not waiting:
        return "nothing runs or waits"
    return f"{running} running, {waiting} waiting"


def _draw_at_once(store: JobStore) -> None:
    key, now = "train.at_once", store.at_once
    st.session_state[key] = now  # a shell may have set it
    st.selectbox(
        "At once",
        range(1, max(MOST_AT_ONCE, now) + 1),
        key=key,
        width=150,
        on_change=lambda: attempt(store.set_at_once, int(st.session_state[key])),
        help="So many trainings run side by side. Each needs its own memory; on one machine two at once are "
        "seldom faster than one after the other.",
    )


def attempt(action: Callable[..., object], *args: object, **options: object) -> None:
    """Do what a button says; what stands in the way (a job has begun meanwhile) is said in passing."""
    try:
        with explained():
            action(*args, **options)
    except user_errors() as error:
        st.toast(str(error), icon=":material/error:")


def _trainings(jobs: Sequence[Job]) -> list[str]:
    """Return the ids of those that take turns; a search only makes others."""
    return [job.id for job in jobs if job.kind == "train"]


def _left(
    running: Sequence[Job], waiting: Sequence[Job], runs: Mapping[str, RunInfo]
) -> dict[str, float | None]:
    """Return about how many seconds each will still take."""
    left = {}
    for job in running:
        known = seconds_left(job, runs.get(job.id))
        left[job.id] = load.seconds_of(job, runs.get(job.id)) if known is None else known
    return left | {job.id: load.seconds_of(job, runs.get(job.id)) for job in waiting}


def _waits_for(wait: Wait | None, names: Mapping[str, str]) -> str:
    if wait is None or wait.after is None:
        return "begins now"
    text = f"waits for {names[wait.after]}"
    is_told = wait.seconds is not None and wait.seconds >= LEAST_TOLD
    return f"{text}, about {duration(wait.seconds or 0)}" if is_told else text


def _draw_running(job: Job, name: str, store: JobStore) -> None:
    with _row(job, "running"):
        text = without_pace(job.message) or "begins"
        if job.stop_asked:
            text = f"stops at its next step. {text}"
        elif job.stop_after_epoch:
            text = f"stops after this epoch. {text}"
        _draw_text(name, text, share=job.fraction)
        draw_stops(job, store, key=job.id)


def draw_stops(job: Job, store: JobStore, *, key: str, labelled: bool = False) -> None:
    """Draw the two ways to stop a running job."""
    kind: Literal["secondary", "tertiary"] = "secondary" if labelled else "tertiary"
    if job.kind == "train":
        st.button(
            "Stop after this epoch" if labelled else "",
            key=f"later-{key}",
            icon=":material/hourglass_bottom:",
            type=kind,
            disabled=job.stop_asked or job.stop_after_epoch,
            on_click=lambda: attempt(store.stop, job.id, after_epoch=True),
            help="Stops when its epoch is whole. The best weights so far are kept and exported; it can be "
            "resumed.",
        )
    st.button(
        ("Stopping" if job.stop_asked else "Stop now") if labelled else "",
        key=f"stop-{key}",
        icon=":material/stop:",
        type=kind,
        disabled=job.stop_asked,
        on_click=lambda: attempt(store.stop, job.id),
        help="Stops at its next batch. The best weights so far are kept and exported; it can be resumed.",
    )


def _draw_waiting(job: Job, name: str, text: str, store: JobStore, *, edges: tuple[bool, bool]) -> None:
    is_first, is_last = edges
    with _row(job, "queued"):
        _draw_text(name, text)
        for direction, icon, help in MOVES:
            st.button(
                "",
                key=f"{direction}-{job.id}",
                icon=icon,
                type="tertiary",
                help=help,
                disabled=is_last if direction == "down" else is_first,
                on_click=partial(attempt, store.move, job.id, direction),
            )
        st.button(
            "",
            key=f"cancel-{job.id}",
            icon=":material/close:",
            type="tertiary",
            help="Take it out of the queue",
            on_click=lambda: attempt(store.stop, job.id),
        )


def _row(job: Job, status: str) -> st.delta_generator.DeltaGenerator:
    return st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"train-job-{status}-{job.id}"
    )


def _draw_text(name: str, text: str, *, share: float | None = None) -> None:
    bar = "" if share is None else f'<i style="width:{100 * share:.1f}%"></i>'
    st.html(
        f'<div class="t-job" data-running="{share is not None}"><b>{html.escape(name)}</b>'
        f"<span>{html.escape(text)}</span>{bar}</div>",
        width="stretch",
    )
