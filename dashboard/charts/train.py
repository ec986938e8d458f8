"""Curves of trainings: one run in detail, or several laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.theme import FURTHER_CLASSES

TRAIN_COLOR, VAL_COLOR = "#8f9bb0", "#8f83f7"
RUN_COLORS = ("#8f83f7", *FURTHER_CLASSES, "#56B4E9", "#E69F00")
SHARES = ("auc", "accuracy", "f1")  # metrics in [0, 1]
MOST_POINTS = 1500  # of a batch curve: more than the screen has pixels


@dataclass(frozen=True)
class RunCurves:
    """What there is to draw of one run.

    Attributes:
        epochs: one row an epoch: `step` (from 1), `loss`, `val_loss`, `val_auc`, ...
        batches: one row a point: `step` (batches since the beginning), `loss`, `accuracy`.
        steps_per_epoch: batches of an epoch, 0 where unknown.
        best_epoch: from 1; 0 before the first.
        ended_early: whether early stopping ended it.
    """

    name: str
    epochs: pd.DataFrame
    batches: pd.DataFrame
    steps_per_epoch: int
    best_epoch: int
    ended_early: bool


def metric_figure(
    runs: Sequence[RunCurves], *, metric: str, title: str, smoothing: float = 0.0, log: bool = False
) -> go.Figure:
    """Draw `metric` over epochs.

    Of one run: the batches as a faint line, training and validation by epoch, the best epoch marked. Of
    several: each run's validation (its training dotted, where it is logged).

    Args:
        smoothing: 0 to 1, weight of the past in the moving average of the batch curve.
        log: logarithmic axis.
    """
    figure = go.Figure()
    if len(runs) == 1:
        _draw_one(figure, runs[0], metric, smoothing)
    else:
        for run, color in zip(runs, _cycled(len(runs)), strict=True):
            _line(figure, run.epochs, metric, name=run.name, color=color, dash="dot", legend=False)
            _line(figure, run.epochs, f"val_{metric}", name=run.name, color=color)
            _mark_best(figure, run, metric, color, legend=False)
    _lay_out(figure, runs, metric, log)
    figure.update_layout(title=title)
    return figure


def _lay_out(figure: go.Figure, runs: Sequence[RunCurves], metric: str, log: bool) -> None:
    last = max((float(run.epochs["step"].max()) for run in runs if len(run.epochs)), default=1.0)
    figure.update_layout(
        # While the revision is the same, a refresh keeps the zoom that the user chose.
        uirevision="|".join([metric, str(log), *(run.name for run in runs)]),
        hovermode="x unified",
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        xaxis={"title": "epoch", "rangemode": "tozero", "dtick": 1 if last <= 12 else None}
        | {"spikethickness": 1, "spikedash": "solid", "spikecolor": TRAIN_COLOR},
        yaxis={"type": "log" if log else "linear"},
    )
    if metric in SHARES:
        figure.update_yaxes(minallowed=0, maxallowed=1.01)
    if not figure.data:
        text = "the curve begins with the first batches"
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False)
        figure.update_xaxes(range=[0, 1])
        figure.update_yaxes(showticklabels=False)


def thin(table: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return at most `most` rows, each the mean of its neighbours; the last step stays the last."""
    if len(table) <= most:
        return table
    group = np.arange(len(table)) * most // len(table)
    return table.groupby(group).mean().assign(step=table["step"].groupby(group).last())


def _draw_one(figure: go.Figure, run: RunCurves, metric: str, smoothing: float) -> None:
    if metric in run.batches and run.steps_per_epoch:
        points = thin(run.batches[["step", metric]].dropna())
        values = points[metric].ewm(alpha=1 - min(smoothing, 0.99)).mean()
        figure.add_scatter(
            x=points["step"] / run.steps_per_epoch,
            y=values,
            name="by batch",
            mode="lines",
            line={"color": TRAIN_COLOR, "width": 1},
            opacity=0.45,
            hoverinfo="skip",
        )
    _line(figure, run.epochs, metric, name="training", color=TRAIN_COLOR)
    _line(figure, run.epochs, f"val_{metric}", name="validation", color=VAL_COLOR)
    _mark_best(figure, run, metric, VAL_COLOR)
    if run.ended_early and len(run.epochs):
        last = float(run.epochs["step"].max())
        figure.add_vline(x=last, line={"color": TRAIN_COLOR, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=last, y=1, yref="paper", yanchor="top", xanchor="right", text="ended early ", showarrow=False
        )


def _line(
    figure: go.Figure,
    table: pd.DataFrame,
    metric: str,
    *,
    name: str,
    color: str,
    dash: str = "solid",
    legend: bool = True,
) -> None:
    if metric not in table:
        return
    figure.add_scatter(
        x=table["step"],
        y=table[metric],
        name=name,
        mode="lines+markers" if len(table) <= 60 else "lines",
        line={"color": color, "width": 1.2 if dash == "dot" else 2, "dash": dash},
        marker={"size": 4},
        showlegend=legend,
        hovertemplate="%{y:.4f}" if legend else None,
        hoverinfo="all" if legend else "skip",
    )


def _mark_best(figure: go.Figure, run: RunCurves, metric: str, color: str, *, legend: bool = True) -> None:
    best = run.epochs[run.epochs["step"] == run.best_epoch] if len(run.epochs) else run.epochs
    if len(best) and f"val_{metric}" in best:
        figure.add_scatter(
            x=best["step"],
            y=best[f"val_{metric}"],
            mode="markers",
            name=f"best epoch ({run.best_epoch})",
            marker={"symbol": "star", "size": 12, "color": color, "line": {"width": 1, "color": "#ffffff"}},
            showlegend=legend,
            hoverinfo="skip",
        )


def _cycled(count: int) -> list[str]:
    return [RUN_COLORS[i % len(RUN_COLORS)] for i in range(count)]
