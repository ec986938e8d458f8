"""Figures of the Evaluate page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.theme import class_colors
from pipeline.evaluation.calibration import ReliabilityBin
from pipeline.evaluation.clinical import THRESHOLDS, DecisionCurve
from pipeline.evaluation.curves import Curve
from pipeline.evaluation.estimates import Estimate

ACCENT = "#8f83f7"
QUIET = "#7c8797"
MATRIX_SCALE = ((0.0, "rgba(143,131,247,0.04)"), (1.0, "rgba(143,131,247,0.78)"))


def _percent(share: float) -> str:
    """Return a share as a whole per cent that says neither none nor all where that is not so."""
    if 0 < share < 0.01:
        return "&lt;1 %"
    return "&gt;99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def confusion_figure(confusion: np.ndarray, labels: Sequence[str]) -> go.Figure:
    """Draw counts (k, k) with each row's shares; a click on a cell selects `[reference, called]`."""
    totals = confusion.sum(1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    k = len(labels)
    cells = [(row, column) for row in range(k) for column in range(k)]
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(labels), y=list(labels), zmin=0, zmax=1, colorscale=MATRIX_SCALE,
            showscale=False, xgap=3, ygap=3, hoverinfo="skip",
        )
    )  # fmt: skip
    for r, c in cells:  # annotations keep their colour while a cell is selected
        figure.add_annotation(
            x=labels[c], y=labels[r], text=f"<b>{confusion[r, c]:,}</b><br>{_percent(shares[r, c])}",
            showarrow=False, font={"size": 14}, captureevents=False,
        )  # fmt: skip
    # Heatmap cells cannot be selected by a click; invisible squares over them can.
    figure.add_scatter(
        x=[labels[c] for _, c in cells],
        y=[labels[r] for r, _ in cells],
        mode="markers",
        marker={"symbol": "square", "size": 84, "color": "rgba(0,0,0,0)"},
        selected={"marker": {"color": "rgba(255,255,255,0.14)"}},
        unselected={"marker": {"color": "rgba(0,0,0,0)"}},
        customdata=[[labels[r], labels[c]] for r, c in cells],
        hoverinfo="none",
        showlegend=False,
    )
    figure.update_xaxes(title="called", side="top", showgrid=False, fixedrange=True)
    figure.update_yaxes(title="reference", autorange="reversed", showgrid=False, fixedrange=True)
    figure.update_layout(dragmode=False, margin={"l": 8, "r": 8, "t": 40, "b": 8})
    return figure


def curve_figure(curves: Sequence[Curve], labels: Sequence[str], *, kind: str) -> go.Figure:
    """Draw ROC (`kind` "roc") or precision-recall curves with their bands."""
    figure = go.Figure()
    colors = class_colors(labels)
    if kind == "roc":
        _guide(figure, [0, 1], [0, 1])
    for curve in curves:
        color = colors[curve.label]
        if np.isfinite(curve.low).all():
            _band(figure, curve.grid, curve.low, curve.high, color, group=curve.label)
    for curve in curves:
        color = colors[curve.label]
        figure.add_scatter(
            x=curve.x,
            y=curve.y,
            customdata=np.where(np.isfinite(curve.thresholds), curve.thresholds, 1.0),
            mode="lines",
            line={"color": color, "width": 2, "shape": "hv" if kind == "roc" else "linear"},
            name=f"{curve.label} {estimate_words(curve.area)}",
            legendgroup=curve.label,
            hovertemplate="%{y:.2f} at %{x:.2f}, score from %{customdata:.2f}<extra>"
            + curve.label
            + "</extra>",
        )
        if kind != "roc":
            _guide(figure, [0, 1], [curve.baseline] * 2, color=color)
    titles = ("1 - specificity", "sensitivity") if kind == "roc" else ("recall", "precision")
    _unit_axes(figure, *titles)
    legend = {"orientation": "v", "y": 0.02, "yanchor": "bottom", "x": 0.98, "xanchor": "right"}
    if kind != "roc":
        legend |= {"x": 0.02, "xanchor": "left"}
    figure.update_layout(legend=legend)
    return figure


def reliability_figure(bins: Sequence[ReliabilityBin], label: str, labels: Sequence[str]) -> go.Figure:
    """Draw how often a class was right against its score, with intervals."""
    color = class_colors(labels)[label]
    figure = go.Figure()
    _guide(figure, [0, 1], [0, 1])
    shown = [found for found in bins if found.frequency.value is not None]
    values = [float(found.frequency.value or 0) for found in shown]
    figure.add_scatter(
        x=[found.mean_probability for found in shown],
        y=values,
        error_y=_bars([found.frequency for found in shown], color),
        mode="markers+lines",
        line={"color": color, "width": 1, "dash": "dot"},
        marker={
            "color": color,
            "size": [6 + 10 * np.sqrt(found.n / max(f.n for f in shown)) for found in shown],
        },
        customdata=[[found.n, found.groups] for found in shown],
        hovertemplate="score %{x:.2f}, came true %{y:.2f}<br>%{customdata[0]:,} slices<extra></extra>",
        showlegend=False,
    )
    _unit_axes(figure, f"score of {label}", f"share that is {label}")
    return figure


def predictive_figure(
    prevalences: np.ndarray, ppv: Sequence[Estimate], npv: Sequence[Estimate], *, at: float
) -> go.Figure:
    """Draw PPV and NPV over prevalence, with the chosen prevalence marked."""
    figure = go.Figure()
    for name, estimates, color in (("PPV", ppv, "#E69F00"), ("NPV", npv, "#56B4E9")):
        known = [(p, e) for p, e in zip(prevalences, estimates, strict=True) if e.value is not None]
        x = np.array([p for p, _ in known])
        if all(e.low is not None and e.high is not None for _, e in known):
            low, high = ([getattr(e, side) for _, e in known] for side in ("low", "high"))
            _band(figure, x, np.array(low), np.array(high), color, group=name)
        figure.add_scatter(
            x=x, y=[e.value for _, e in known], mode="lines", line={"color": color, "width": 2}, name=name,
            legendgroup=name, hovertemplate=name + " %{y:.3f} at %{x:.1%}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=at, line={"color": QUIET, "width": 1, "dash": "dash"})
    figure.update_xaxes(
        title="prevalence", type="log", tickformat=".0%", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    )
    figure.update_yaxes(range=[-0.02, 1.02], title="predictive value")
    return figure


def decision_figure(curve: DecisionCurve, labels: Sequence[str]) -> go.Figure:
    """Draw the net benefit of acting on the model, on all, and on none."""
    color = class_colors(labels)[curve.label]
    figure = go.Figure()
    if np.isfinite(curve.low).all():
        _band(figure, curve.thresholds, curve.low, curve.high, color, group="model")
    figure.add_scatter(
        x=curve.thresholds, y=curve.model, mode="lines", line={"color": color, "width": 2}, name="the model",
        hovertemplate="net benefit %{y:.3f} at %{x:.0%}<extra>the model</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=curve.thresholds, y=curve.treat_all, mode="lines", name="act on all",
        line={"color": QUIET, "width": 1.5, "dash": "dash"}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[0, 1], y=[0, 0], mode="lines", name="act on none", line={"color": QUIET, "width": 1.5},
        hoverinfo="skip",
    )  # fmt: skip
    top = max(0.05, float(curve.model.max()), curve.prevalence) * 1.1
    figure.update_xaxes(
        title="probability from which one would act", tickformat=".0%", range=[0, THRESHOLDS[-1]]
    )
    figure.update_yaxes(title="net benefit", range=[-0.3 * top, top])
    return figure


def forest_figure(
    rows: Sequence[tuple[str, Estimate]],
    *,
    title: str,
    reference: float | None = None,
    x_range: tuple[float, float] | None = (0.0, 1.0),
    colors: Sequence[str] | None = None,
) -> go.Figure:
    """Draw estimates with their intervals one below the other; those without a value say why."""
    figure = go.Figure()
    names = [name for name, _ in rows]
    known = [(name, found) for name, found in rows if found.value is not None]
    shades = dict(zip(names, colors or [ACCENT] * len(rows), strict=True))
    figure.add_scatter(
        x=[found.value for _, found in known],
        y=[name for name, _ in known],
        error_x=_bars([found for _, found in known], QUIET),
        mode="markers",
        marker={"size": 9, "color": [shades[name] for name, _ in known]},
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )
    for name, found in rows:
        if found.value is None:
            text, x, on = f"not known: {found.reason}", x_range[0] if x_range else 0.0, "x"
        else:
            text = estimate_words(found) + ("" if found.low is not None else ", no interval")
            x, on = 1.01, "paper"
        figure.add_annotation(
            x=x, xref=on, y=name, text=text, showarrow=False, xanchor="left", font={"size": 11}
        )
    if reference is not None:
        figure.add_vline(x=reference, line={"color": QUIET, "width": 1, "dash": "dash"})
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, showgrid=False)
    figure.update_xaxes(title=title, range=list(x_range) if x_range else None)
    figure.update_layout(margin={"l": 8, "r": 140, "t": 12, "b": 8}, height=70 + 30 * len(rows))
    return figure


def score_figure(scores: np.ndarray, truth: np.ndarray, labels: Sequence[str], label: str) -> go.Figure:
    """Draw how the scores of a class lie in each reference class."""
    figure = go.Figure()
    for place, name in enumerate(labels):
        figure.add_histogram(
            x=scores[truth == place], name=name, marker={"color": class_colors(labels)[name]}, 
            xbins={"start": 0, "end": 1, "size": 0.05},
            hovertemplate="%{y:,} slices, score %{x}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title=f"score of {label}", range=[0, 1])
    figure.update_yaxes(title="slices")
    figure.update_layout(barmode="stack")
    return figure


def estimate_words(found: Estimate, digits: int = 2) -> str:
    """Return `0.91 (0.85 to 0.95)`, or the value alone where there is no interval."""
    if found.value is None:
        return "not known"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _bars(estimates: Sequence[Estimate], color: str) -> dict[str, object]:
    above = [(e.high - e.value) if e.high is not None and e.value is not None else 0 for e in estimates]
    below = [(e.value - e.low) if e.low is not None and e.value is not None else 0 for e in estimates]
    return {
        "type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": color,
        "thickness": 1.5, "width": 4,
    }  # fmt: skip


def _band(
    figure: go.Figure, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, *, group: str
) -> None:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    figure.add_scatter(
        x=np.append(x, x[::-1]), y=np.append(low, high[::-1]), fill="toself", mode="lines", line={"width": 0},
        fillcolor=f"rgba({red},{green},{blue},0.13)", hoverinfo="skip", showlegend=False, legendgroup=group,
    )  # fmt: skip


def _guide(figure: go.Figure, x: Sequence[float], y: Sequence[float], color: str = QUIET) -> None:
    figure.add_scatter(
        x=list(x), y=list(y), mode="lines", line={"color": color, "width": 1, "dash": "dot"},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _unit_axes(figure: go.Figure, x_title: str, y_title: str) -> None:
    figure.update_xaxes(title=x_title, range=[-0.01, 1.01], constrain="domain")
    figure.update_yaxes(title=y_title, range=[-0.01, 1.02])
