"""What runs and what ran: state, curves, log, and the table of runs to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts.train import RunCurves, metric_figure
from dashboard.loaders import train as load
from dashboard.training.cost import duration
from dashboard.training.form import MONITORS
from dashboard.training.table import chosen_runs, draw_table
from pipeline.jobs import Job, JobStore

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

REFRESH_SECONDS = 2.0
METRICS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "f1": "F1",
    "learning_rate": "Learning rate",
    "images_per_second": "Images/s",
}
COLORS: dict[str, Any] = {
    "running": "blue", "queued": "gray", "finished": "green", "stopped": "orange", "paused": "orange",
    "failed": "red", "lost": "red",
}  # fmt: skip


def draw_live() -> None:
    """Draw the right side of the page; it refreshes itself while a training runs or waits."""
    busy = any(job.active for job in loaders.jobs("train"))
    st.fragment(_live, run_every=REFRESH_SECONDS if busy else None)(busy)


@widgets.guarded("The runs could not be shown.")
def _live(busy: bool) -> None:
    jobs = loaders.jobs("train")
    _follow(jobs)
    runs = [run for run in loaders.runs()]
    for job in jobs:
        if job.active and job.run_id is None:
            _draw_waiting(job)
    if not runs:
        if not any(job.active for job in jobs):
            widgets.empty_state(
                "No training yet",
                "Choose on the left what to train, and press Train. It runs in the background: this page may "
                "be closed meanwhile.",
                command="python -m pipeline train --dataset NAME --architecture EfficientNetV2B0",
                key="no-training",
            )
        _draw_failures(jobs)
        return
    _draw_failures(jobs)
    chosen = chosen_runs(runs)
    curves = [load.curves(run) for run in chosen]
    with widgets.panel(key="train-live"):
        if len(chosen) == 1:
            own = next((job for job in jobs if job.run_id == chosen[0].id), None)
            _draw_one(chosen[0], own, curves[0])
        else:
            widgets.heading(
                f"{len(chosen)} runs", "validation; a run's training dotted, its best epoch starred"
            )
        _draw_curves(curves)
        if len(chosen) == 1:
            _draw_log(chosen[0])
    with widgets.panel("Runs", "choose one, or several to lay them over each other", key="train-runs"):
        draw_table(runs)
    if busy and not any(job.active for job in loaders.jobs("train")):
        st.rerun()  # the last one ended: the whole page draws itself once more, and stays quiet


def _follow(jobs: list[Job]) -> None:
    """Show a training that was just launched as soon as it has its run."""
    followed = st.session_state.get("train.follow")
    run_id = next((job.run_id for job in jobs if job.id == followed), None)
    if run_id:
        del st.session_state["train.follow"]
        st.session_state["train.chosen"] = [run_id]
        widgets.remember("run", run_id)


def _draw_waiting(job: Job) -> None:
    with widgets.panel(key=f"job-{job.id}"), st.container(horizontal=True, vertical_alignment="center"):
        text = "waits for the training before it" if job.status == "queued" else job.message or "begins"
        st.markdown(f"**{job.title}** {text}", width="stretch")
        if st.button("Cancel", key=f"cancel-{job.id}", icon=":material/close:"):
            JobStore(loaders.workspace()).stop(job.id)
            st.rerun()


def _draw_failures(jobs: list[Job]) -> None:
    """Say why the newest training failed, where it got no run that could say it."""
    if jobs and jobs[0].status in ("failed", "lost") and jobs[0].run_id is None:
        widgets.callout(jobs[0].message, tone="bad", title=jobs[0].title)


def _draw_one(run: RunInfo, job: Job | None, curves: RunCurves) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="content"):
            widgets.heading(run.name)
        st.badge(run.status, color=COLORS.get(run.status, "gray"))
        st.space("stretch")
        _draw_buttons(run, job)
    if run.status == "running" and job is not None:
        st.progress(job.fraction, text=job.message or "Begins")
    elif run.status in ("paused", "failed", "lost") and job is not None and job.message:
        widgets.callout(job.message, tone="bad")
    if run.tags.get("note"):
        widgets.callout(run.tags["note"], tone="warn")
    widgets.tiles(_tiles(run, job, curves))


def _draw_buttons(run: RunInfo, job: Job | None) -> None:
    jobs = JobStore(loaders.workspace())
    if st.button(
        "Copy settings",
        key="train-copy",
        icon=":material/content_copy:",
        help="into the form, to change them",
    ):
        st.session_state["train.copy"] = run.id
        st.rerun()
    if run.status in ("running", "queued") and job is not None:
        if st.button(
            "Stopping" if job.stop_asked else "Stop",
            key="train-stop",
            icon=":material/stop:",
            disabled=job.stop_asked,
            help="At the next batch; the best weights so far are kept and exported.",
        ):
            jobs.stop(job.id)
            st.rerun()
    elif run.status in ("stopped", "paused", "failed", "lost") and st.button(
        "Resume", key="train-resume", icon=":material/play_arrow:", help="From the last whole epoch."
    ):
        from pipeline.training.launch import resume_in_background

        resume_in_background(loaders.workspace(), run)
        st.rerun()


def _tiles(run: RunInfo, job: Job | None, curves: RunCurves) -> list[widgets.Tile]:
    metrics, params = run.metrics, run.params
    epochs = int(metrics.get("epoch", 0))
    best = int(metrics.get("best_epoch", 0))
    rate = _rate(curves)
    tiles = [
        widgets.Tile("Epoch", f"{epochs} of {params.get('epochs', '?')}", _countdown(run, epochs, best)),
        widgets.Tile(
            "Best epoch",
            str(best) if best else "none yet",
            f"by {MONITORS.get(params.get('monitor', ''), 'validation')}",
        ),
        _metric_tile("Validation AUC", "val_auc", run),
        _metric_tile("Validation accuracy", "val_accuracy", run),
        widgets.Tile("Speed", f"{rate:.1f}/s" if rate else "n/a", "slices, in training"),
    ]
    if run.status == "running" and job is not None and rate and job.message.startswith("Epoch"):
        left = (job.total - job.done) * int(params.get("batch_size", 1)) / rate
        tiles.append(widgets.Tile("Time left", duration(left), "at most"))
    elif run.ended is not None and run.tags.get("demo") != "true":  # the demo was trained elsewhere
        tiles.append(widgets.Tile("Took", duration((run.ended - run.created).total_seconds())))
    return tiles


def _rate(curves: RunCurves) -> float:
    """Return the newest slices a second in training, 0 where none is known yet."""
    for table in (curves.batches, curves.epochs):
        if "images_per_second" in table and len(table):
            return float(table["images_per_second"].iloc[-1])
    return 0.0


def _metric_tile(label: str, metric: str, run: RunInfo) -> widgets.Tile:
    value = run.metrics.get(f"best_{metric}")
    detail = "at the best epoch" if value is not None else ""
    return widgets.Tile(label, "n/a" if value is None else f"{value:.3f}", detail)


def _countdown(run: RunInfo, epochs: int, best: int) -> str:
    patience = int(run.params.get("patience", 0))
    if run.status != "running" or not patience or not best:
        return {"early": "ended early", "complete": "all epochs"}.get(run.tags.get("ending", ""), "")
    left = patience - (epochs - best)
    return f"early stop in {left}"


def _draw_curves(curves: list[RunCurves]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        second = st.segmented_control(
            "Beside the loss", list(METRICS), default="auc", format_func=METRICS.__getitem__,
            key="train.second", persist_state="session", required=True,
        )  # fmt: skip
        smoothing = 0.0
        if len(curves) == 1:
            smoothing = st.slider(
                "Smoothing of the batch curve", 0.0, 0.95, 0.6,
                key="train.smoothing", width=200, persist_state="session",
            )  # fmt: skip
        log = st.checkbox("Logarithmic loss", key="train.log", persist_state="session")
    left, right = st.columns(2)
    with left:
        figure = metric_figure(curves, metric="loss", title="Loss", smoothing=smoothing, log=log)
        widgets.chart(figure, key="train-loss", height=300)
    with right:
        figure = metric_figure(curves, metric=str(second), title=METRICS[str(second)], smoothing=smoothing)
        widgets.chart(figure, key="train-second", height=300)


def _draw_log(run: RunInfo) -> None:
    with st.expander("Log", key="train-log"):
        st.code(load.log_tail(run.artifacts / "log.txt") or "Nothing yet.", language=None, height=220)
