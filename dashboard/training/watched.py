"""One run as it learns, or as it ended: state, what can be done with it, figures, log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts.train import RunCurves
from dashboard.loaders import train as load
from dashboard.loaders import watching
from dashboard.training.cost import duration
from dashboard.training.queue import attempt, draw_stops
from dashboard.training.words import NAMES
from pipeline.jobs import Job, JobStore
from pipeline.run_info import PAUSED_TAG
from pipeline.training.waiting import seconds_left, without_pace

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

COLORS: dict[str, Any] = {
    "running": "blue", "queued": "gray", "finished": "green", "stopped": "orange", "paused": "orange",
    "failed": "red", "lost": "red",
}  # fmt: skip
ENDINGS = {
    "early": "ended early", "complete": "all epochs done", "pruned": "given up by its search",
    "memory": "ran out of memory",
}  # fmt: skip
MORE_EPOCHS = 100  # offered to train longer


def draw_run(run: RunInfo, job: Job | None, curves: RunCurves) -> None:
    """Draw the head of one run: name, state, buttons, progress, and figures of training and validation."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="content"):
            widgets.heading(("★ " if run.starred else "") + run.name)
        st.badge(run.status, color=COLORS.get(run.status, "gray"))
        st.space("stretch")
        _draw_buttons(run, job)
    if run.status == "running" and job is not None:
        st.progress(job.fraction, text=without_pace(job.message) or "Begins")
    _draw_reason(run, job)
    if run.tags.get("note"):
        widgets.callout(run.tags["note"], tone="warn")
    if run.note:
        widgets.callout(run.note, title="Your note")
    widgets.tiles(_tiles(run, job, curves))


def draw_log(run: RunInfo) -> None:
    """Draw the end of a run's log, newest line first, so that what is new needs no scrolling."""
    with st.expander("Log, newest first", key="train-log"):
        lines = load.log_tail(run.artifacts / "log.txt").splitlines()
        st.code("\n".join(reversed(lines)) or "Nothing yet.", language=None, height=220)


def _draw_reason(run: RunInfo, job: Job | None) -> None:
    """Say why a run does not go on, where it ended otherwise than it should."""
    said = job.message if job is not None else ""
    if run.status == "paused":
        widgets.callout(said or run.tags.get(PAUSED_TAG, ""), tone="warn", title="Paused")
    elif run.status in ("failed", "lost") and said:
        widgets.callout(said, tone="bad")


def _draw_buttons(run: RunInfo, job: Job | None) -> None:
    if st.button(
        "Clone with changes",
        key="train-copy",
        icon=":material/content_copy:",
        help="Puts its settings into the form on the left, to change some and train another.",
    ):
        st.session_state["train.copy"] = run.id
        st.rerun()
    if run.status == "running" and job is not None:
        draw_stops(job, JobStore(loaders.workspace()), key="watched", labelled=True)
    elif run.status in ("stopped", "paused", "failed", "lost"):
        st.button(
            "Resume",
            key="train-resume",
            icon=":material/play_arrow:",
            help="Goes on from its last checkpoint.",
            on_click=lambda: attempt(_resume, run),
        )
    from pipeline.training.train import CHECKPOINT

    if run.status not in ("running", "queued") and (run.artifacts / CHECKPOINT).is_file():
        _draw_longer(run)


def _draw_longer(run: RunInfo) -> None:
    with st.popover("Train longer", icon=":material/more_time:", key="train-longer"):
        st.caption(
            "It goes on where it stands, with its weights and optimizer. The epochs that are added have a "
            "low learning rate of their own, and patience counts anew."
        )
        epochs = st.number_input(
            "Epochs more", 1, 10_000, MORE_EPOCHS, key="train.more", persist_state="session"
        )
        st.button(
            f"Train {epochs:,} epochs more",
            key="train-extend",
            type="primary",
            on_click=lambda: attempt(_extend, run, int(epochs)),
        )


def _resume(run: RunInfo) -> None:
    from pipeline.training.launch import resume_in_background

    resume_in_background(loaders.workspace(), run)


def _extend(run: RunInfo, epochs: int) -> None:
    from pipeline.runs import RunStore
    from pipeline.training.extending import extend_run

    extend_run(loaders.workspace(), run, epochs)
    _resume(RunStore(loaders.workspace()).find(run.id))


def _tiles(run: RunInfo, job: Job | None, curves: RunCurves) -> list[widgets.Tile]:
    metrics, params = run.metrics, run.params
    epochs = int(metrics.get("epoch", 0))
    best = int(metrics.get("best_epoch", 0))
    rate = _rate(curves)
    tiles = [
        widgets.Tile("Epoch", f"{epochs} of {params.get('epochs', '?')}", countdown(run, epochs, best)),
        widgets.Tile(
            "Best epoch",
            str(best) if best else "none yet",
            f"by {NAMES['monitor'].get(params.get('monitor', ''), 'validation')}",
        ),
        _metric_tile("AUC", "val_auc", run),
        _metric_tile("Accuracy", "val_accuracy", run),
        _loss_tile(run),
        widgets.Tile("Speed", f"{rate:.1f}/s" if rate else "n/a", "slices, in training"),
    ]
    if run.status == "running" and job is not None:
        left, memory = seconds_left(job, run), watching.memory_of(job)
        detail = "about; less if early" if left else "after an epoch of the last stage"
        tiles.append(widgets.Tile("Time left", duration(left) if left else "n/a", detail))
        tiles.append(
            widgets.Tile("Memory", f"{memory / 2**30:.1f} GiB" if memory else "n/a", "its process, now")
        )
    elif run.ended is not None and run.tags.get("demo") != "true":  # the demo was trained elsewhere
        tiles.append(widgets.Tile("Took", duration((run.ended - run.created).total_seconds())))
    return tiles


def countdown(run: RunInfo, epochs: int, best: int) -> str:
    """Say how far early stopping is, by the rule that the training follows; of an ended run how it ended."""
    from pipeline.training.stages import early_stop_in, patience_begins

    if run.status != "running":
        return ENDINGS.get(run.tags.get("ending", ""), "")
    config = watching.config_of(run)
    if config is None or not config.patience:
        return "no early stop"
    left, begins = early_stop_in(config, best=best, epoch=epochs), patience_begins(config)
    if epochs < begins:
        return f"early stop counts after epoch {begins}"
    if left is None:
        return "no early stop before the last" if best else ""
    return f"early stop in {left} if none is better"


def _rate(curves: RunCurves) -> float:
    """Return the newest slices a second in training, 0 where none is known yet."""
    if (curve := curves.batches.get("images_per_second")) is not None:
        return float(curve.mean[-1])
    known = "images_per_second" in curves.epochs and len(curves.epochs)
    return float(curves.epochs["images_per_second"].iloc[-1]) if known else 0.0


def _metric_tile(label: str, metric: str, run: RunInfo) -> widgets.Tile:
    value = run.metrics.get(f"best_{metric}")
    detail = "validation, best epoch" if value is not None else "validation"
    return widgets.Tile(label, "n/a" if value is None else f"{value:.3f}", detail)


def _loss_tile(run: RunInfo) -> widgets.Tile:
    train, val = run.metrics.get("loss"), run.metrics.get("val_loss")
    if train is None or val is None:
        return widgets.Tile("Loss", "n/a", "training / validation")
    return widgets.Tile(
        "Loss",
        f"{train:.2f} / {val:.2f}",
        "training / validation, last",
        help="Where training falls and validation rises, it learns by heart.",
    )
