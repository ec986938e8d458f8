"""Curves of trainings: one run in detail, or several laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.theme import FURTHER_CLASSES
from pipeline.curves import Curve

TRAIN_COLOR, VAL_COLOR = "#8f9bb0", "#8f83f7"
RUN_COLORS = ("#8f83f7", *FURTHER_CLASSES, "#56B4E9", "#E69F00", "#B3B3B3", "#A6761D")
SHARES = ("auc", "accuracy", "f1")  # metrics in [0, 1]
MOST_EPOCHS = 600  # epochs of a line that are drawn one by one
FEW_EPOCHS = 60  # so many have a marker each


@dataclass(frozen=True)
class RunCurves:
    """What there is to draw of one run.

    Attributes:
        epochs: one row an epoch: `step` (from 1), `loss`, `val_loss`, `val_auc`, ...
        batches: curves by batch (counted from 1 since the beginning): `loss`, `accuracy`, ...
        steps_per_epoch: batches of an epoch, 0 where unknown.
        best_epoch: from 1; 0 before the first.
        ended_early: whether early stopping ended it.
        stages: where another stage begins (whole epochs before it) and what it does.
        rates: batches (from 0) and the learning rate planned for each; None where unknown.
    """

    name: str
    epochs: pd.DataFrame
    batches: Mapping[str, Curve]
    steps_per_epoch: int
    best_epoch: int
    ended_early: bool
    stages: Sequence[tuple[int, str]] = field(default=())
    rates: tuple[np.ndarray, np.ndarray] | None = field(default=None)


def metric_figure(
    runs: Sequence[RunCurves],
    *,
    metric: str,
    title: str,
    smoothing: float = 0.0,
    log: bool = False,
    by_batch: bool = True,
) -> go.Figure:
    """Draw `metric` over epochs.

    Of one run: training by batch as a faint line with a band from the lowest to the highest value, training
    and validation by epoch, the best epoch and the stages marked. Of several: each run's validation, and its
    training faint.

    Args:
        smoothing: 0 to 1, weight of the past in the moving average of the batch curve.
        log: logarithmic axis.
        by_batch: draw training by batch where it was logged so, else by epoch only.
    """
    figure = go.Figure()
    if len(runs) == 1:
        _draw_one(figure, runs[0], metric, smoothing, by_batch=by_batch)
    else:
        for run, color in zip(runs, colors_of(len(runs)), strict=True):
            _draw_beside(figure, run, metric, color, smoothing, by_batch=by_batch)
    _lay_out(figure, runs, metric, log)
    figure.update_layout(title=title)
    return figure


def colors_of(count: int) -> list[str]:
    """Return a colour for each of `count` runs; beyond ten they come again."""
    return [RUN_COLORS[i % len(RUN_COLORS)] for i in range(count)]


def reduced_points(runs: Sequence[RunCurves], metric: str) -> tuple[int, int]:
    """Return how many points by batch were logged and how many are drawn, of the runs' curves of `metric`."""
    curves = [run.batches[metric] for run in runs if metric in run.batches]
    return sum(curve.logged for curve in curves), sum(len(curve) for curve in curves)


def thin(table: pd.DataFrame, metric: str, *, most: int = MOST_EPOCHS) -> pd.DataFrame:
    """Return the rows of `table` that a line of `metric` needs: all, or the extremes of each stretch.

    The first, the last, the lowest and the highest of a stretch stay what and where they are.
    """
    rows = table[["step", metric]].dropna()
    if len(rows) <= most:
        return rows
    rows = rows.reset_index(drop=True)
    stretches = rows.groupby(rows.index * (most // 4) // len(rows))
    ends = [stretches["step"].idxmin(), stretches["step"].idxmax()]
    extremes = [stretches[metric].idxmin(), stretches[metric].idxmax()]
    return rows.loc[np.unique(np.concatenate([*ends, *extremes]))]


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


def _draw_one(figure: go.Figure, run: RunCurves, metric: str, smoothing: float, *, by_batch: bool) -> None:
    if by_batch and metric in run.batches and run.steps_per_epoch:
        curve = run.batches[metric]
        if curve.is_reduced:
            _band(figure, run, curve)
        _by_batch(figure, run, curve, smoothing, name="by batch", color=TRAIN_COLOR)
    if metric == "learning_rate":
        _draw_rates(figure, run)
    _line(figure, run.epochs, metric, name="training", color=TRAIN_COLOR)
    _line(figure, run.epochs, f"val_{metric}", name="validation", color=VAL_COLOR)
    _mark_best(figure, run, metric, VAL_COLOR)
    for first, text in run.stages:
        _mark(figure, first, f" {text}", anchor="left", dash="dash")
    if run.ended_early and len(run.epochs):
        _mark(figure, float(run.epochs["step"].max()), "ended early ", anchor="right", dash="dot", y=0.1)


def _draw_beside(
    figure: go.Figure, run: RunCurves, metric: str, color: str, smoothing: float, *, by_batch: bool
) -> None:
    validated = f"val_{metric}" in run.epochs
    if by_batch and metric in run.batches and run.steps_per_epoch:
        _by_batch(
            figure, run, run.batches[metric], smoothing, name=run.name, color=color, legend=not validated
        )
    else:
        dash = "dot" if validated else "solid"
        _line(figure, run.epochs, metric, name=run.name, color=color, dash=dash, legend=not validated)
    _line(figure, run.epochs, f"val_{metric}", name=run.name, color=color)
    _mark_best(figure, run, metric, color, legend=False)


def _by_batch(
    figure: go.Figure,
    run: RunCurves,
    curve: Curve,
    smoothing: float,
    *,
    name: str,
    color: str,
    legend: bool = True,
) -> None:
    figure.add_scatter(
        x=curve.steps / run.steps_per_epoch,
        y=pd.Series(curve.mean).ewm(alpha=1 - min(smoothing, 0.99)).mean(),
        name=name,
        mode="lines",
        line={"color": color, "width": 1},
        opacity=0.5,
        showlegend=legend,
        hoverinfo="skip",
    )


def _band(figure: go.Figure, run: RunCurves, curve: Curve) -> None:
    """Draw from the lowest to the highest of each stretch, so that what a mean hides is seen."""
    x = curve.steps / run.steps_per_epoch
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([curve.high, curve.low[::-1]]),
        name="lowest to highest",
        fill="toself",
        mode="none",
        fillcolor="rgba(143, 155, 176, 0.16)",
        hoverinfo="skip",
    )


def _draw_rates(figure: go.Figure, run: RunCurves) -> None:
    if run.rates is not None and run.steps_per_epoch:
        batches, rates = run.rates
        figure.add_scatter(
            x=batches / run.steps_per_epoch,
            y=rates,
            name="planned, by batch",
            mode="lines",
            line={"color": VAL_COLOR, "width": 1.2, "dash": "dot"},
            hovertemplate="%{y:.2e}",
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
    points = thin(table, metric)
    figure.add_scatter(
        x=points["step"],
        y=points[metric],
        name=name,
        mode="lines+markers" if len(table) <= FEW_EPOCHS else "lines",
        line={"color": color, "width": 1.2 if dash == "dot" else 2, "dash": dash},
        marker={"size": 4},
        showlegend=legend,
        hovertemplate=("%{y:.2e}" if metric == "learning_rate" else "%{y:.4f}") if legend else None,
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


def _mark(figure: go.Figure, epoch: float, text: str, *, anchor: str, dash: str, y: float = 1.0) -> None:
    figure.add_vline(x=epoch, line={"color": TRAIN_COLOR, "width": 1, "dash": dash})
    figure.add_annotation(
        x=epoch, y=y, yref="paper", yanchor="top", xanchor=anchor, text=text, showarrow=False,
        font={"size": 11},
    )  # fmt: skip
