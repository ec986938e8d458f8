"""The curves of the chosen runs, and the switches above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import widgets
from dashboard.charts.train import RunCurves, metric_figure, reduced_points
from dashboard.loaders import watching as load

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

METRICS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "f1": "F1",
    "learning_rate": "Learning rate",
    "images_per_second": "Images/s",
}
HEIGHT = 300  # pixels; the same with and without data, so that nothing moves when a curve begins


def read_curves(runs: Sequence[RunInfo]) -> list[RunCurves]:
    """Read what the charts below draw, and the pace."""
    second = str(st.session_state.get("train.second", "auc"))
    metrics = dict.fromkeys(["loss", second, *(["images_per_second"] if len(runs) == 1 else [])])
    return [load.curves(run, list(metrics)) for run in runs]


def draw_curves(curves: Sequence[RunCurves]) -> None:
    """Draw the loss and, beside it, what was chosen."""
    several = len(curves) > 1
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        second = st.segmented_control(
            "Beside the loss", list(METRICS), default="auc", format_func=METRICS.__getitem__,
            key="train.second", persist_state="session", required=True,
        )  # fmt: skip
        by_batch = st.checkbox(
            "Training by batch",
            value=not several,
            key=f"train.by_batch.{several}",
            persist_state="session",
            help="As it was logged: a point stands for a fifth of a second or more.",
        )
        smoothing = st.slider(
            "Smoothing", 0.0, 0.95, 0.6, key="train.smoothing", width=160, persist_state="session",
            disabled=not by_batch,
        )  # fmt: skip
        log = st.checkbox("Logarithmic loss", key="train.log", persist_state="session")
    left, right = st.columns(2)
    with left:
        _draw(curves, "loss", "Loss", smoothing, by_batch=by_batch, log=log, key="train-loss")
    with right:
        _draw(curves, str(second), METRICS[str(second)], smoothing, by_batch=by_batch, key="train-second")


def _draw(
    curves: Sequence[RunCurves],
    metric: str,
    title: str,
    smoothing: float,
    *,
    by_batch: bool,
    key: str,
    log: bool = False,
) -> None:
    figure = metric_figure(
        curves, metric=metric, title=title, smoothing=smoothing, log=log, by_batch=by_batch
    )
    widgets.chart(figure, key=key, height=HEIGHT)
    st.caption(_remark(curves, metric, by_batch=by_batch) or "&nbsp;")


def _remark(curves: Sequence[RunCurves], metric: str, *, by_batch: bool) -> str:
    """Say what of the curve is not as it was logged, or why a curve is not there."""
    logged, drawn = reduced_points(curves, metric)
    if by_batch and logged > drawn:
        return f"{logged:,} logged points of training drawn as {drawn:,} means of neighbours" + (
            "; the band spans their lowest to highest." if len(curves) == 1 else "."
        )
    if metric in ("auc", "f1") and any(len(run.epochs) for run in curves):
        return "Measured on validation only, once an epoch."
    return ""
