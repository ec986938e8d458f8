"""Figures of the Explore page: how much of each class, of what size and make, how bright."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.theme import class_colors

if TYPE_CHECKING:
    from pipeline.data.overview import Bands, LungProfile

MOST_KINDS = 8


def balance_figure(counts: pd.DataFrame) -> go.Figure:
    """Plot each class's slices and, where known, patients.

    Args:
        counts: indexed by label, columns `slices` and `patients`; all-zero patients are not drawn.
    """
    shown = ["slices", "patients"] if counts["patients"].any() else ["slices"]
    figure = make_subplots(
        rows=1, cols=len(shown), shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=shown
    )
    colors = class_colors(counts.index)
    for column, unit in enumerate(shown, start=1):
        values = counts[unit]
        figure.add_bar(
            x=values,
            y=list(counts.index),
            orientation="h",
            text=[f"{value:,}" for value in values],
            textposition="auto",
            marker_color=[colors[label] for label in counts.index],
            hovertemplate="%{y}: %{x:,} " + unit + "<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_xaxes(showticklabels=False, showgrid=False)
    figure.update_yaxes(autorange="reversed", ticksuffix="  ")
    figure.update_layout(showlegend=False, bargap=0.35)
    figure.update_annotations(font_size=12)
    return figure


def intensity_figure(bands: Mapping[str, Bands], order: Sequence[str]) -> go.Figure:
    """Plot the grey histogram of each class on a line of its own: median, middle half, and all classes'.

    Shares are drawn as their square root, so that the air around a body does not flatten all else; the dotted
    line, the mean of the classes' medians, is the same on each line and shows where a class departs from it.

    Args:
        bands: label -> quartiles (3, bins) of shares of pixels.
        order: all labels, for their colours.
    """
    shown = [label for label in order if label in bands]
    if not shown:
        return go.Figure()
    figure = make_subplots(rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.02)
    colors = class_colors(order)
    common = np.mean([bands[label].values[1] for label in shown], axis=0)
    grey = (np.arange(len(common)) + 0.5) * 256 / len(common)
    highest = max(float(np.sqrt(bands[label].values[2]).max()) for label in shown) or 1.0
    for row, label in enumerate(shown, start=1):
        low, middle, high = np.sqrt(bands[label].values)
        figure.add_scatter(
            **_band(grey, low, high, colors[label]), row=row, col=1, showlegend=False, hoverinfo="skip"
        )
        figure.add_scatter(
            x=grey,
            y=middle,
            mode="lines",
            line={"color": colors[label], "width": 1.8},
            name=label,
            customdata=100 * bands[label].values[1],
            hovertemplate=f"{label}: %{{customdata:.1f}} % of pixels near %{{x:.0f}}<extra></extra>",
            row=row,
            col=1,
        )
        if len(shown) > 1:
            figure.add_scatter(
                x=grey,
                y=np.sqrt(common),
                mode="lines",
                line={"color": "#8a94a4", "width": 1, "dash": "dot"},
                hoverinfo="skip",
                row=row,
                col=1,
            )
        figure.add_annotation(
            text=label,
            font={"color": colors[label], "size": 12},
            x=100,
            y=0.97 * highest,
            xanchor="left",
            yanchor="top",
            showarrow=False,
            row=row,
            col=1,
        )
        figure.update_yaxes(
            range=[0, 1.04 * highest],
            showticklabels=False,
            showgrid=False,
            row=row,
            col=1,
        )
    figure.update_xaxes(range=[0, 256], showgrid=True)
    figure.update_xaxes(title="grey level", row=len(shown), col=1)
    figure.update_layout(showlegend=False, margin_t=8)
    return figure


def lungs_figure(profile: LungProfile, order: Sequence[str]) -> go.Figure:
    """Plot the lung fraction from head to feet: each class's median and the band of its middle half."""
    figure = go.Figure()
    colors = class_colors(order)
    for label, bands in profile.bands.items():
        low, middle, high = 100 * bands.values
        known = np.isfinite(middle)
        figure.add_scatter(
            **_band(profile.positions[known], low[known], high[known], colors[label]),
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=profile.positions[known],
            y=middle[known],
            mode="lines",
            line={"color": colors[label], "width": 2},
            name=label,
            hovertemplate=f"{label}: %{{y:.0f}} % of the body<extra></extra>",
        )
    figure.update_xaxes(range=[-0.04, 1.04], tickvals=[0, 0.5, 1], ticktext=["head", "middle", "feet"])
    figure.update_yaxes(title="lung, % of the body", rangemode="tozero")
    return figure


def patients_figure(matrix: pd.DataFrame, order: Sequence[str]) -> go.Figure:
    """Plot patients (columns) by class (rows) as a strip of heat: the stronger, the more slices.

    Args:
        matrix: indexed by patient, one column a label: slices (or their mean, where patients are drawn
            together). The logarithm is drawn, so that one slice is seen beside hundreds.
        order: all labels, for their colours.
    """
    colors = class_colors(order)
    values = matrix.to_numpy(float).T
    heat = np.log1p(values) / (np.log1p(values).max(initial=0) or 1.0)
    classes = len(matrix.columns)
    # One scale for all: each class has its own stretch of it, from faint to full.
    level = np.arange(classes)[:, None] + 0.02 + 0.96 * heat
    scale = []
    for number, label in enumerate(matrix.columns):
        scale += [
            [number / classes, _faint(colors[label], 0.34)],
            [(number + 0.999) / classes if number < classes - 1 else 1.0, colors[label]],
        ]
    names = list(matrix.index.astype(str))
    figure = go.Figure(
        go.Heatmap(
            z=[
                [float(one) if value > 0 else None for one, value in zip(*line, strict=True)]
                for line in zip(level, values, strict=True)
            ],
            y=list(matrix.columns),
            text=[[f"{name}: {one:,.4g}" for name, one in zip(names, line, strict=True)] for line in values],
            colorscale=scale,
            zmin=0,
            zmax=classes,
            showscale=False,
            xgap=1 if len(matrix) <= 150 else 0,
            ygap=3,
            hoverongaps=False,
            hovertemplate="%{text} %{y}<extra></extra>",
        )
    )
    figure.update_xaxes(showticklabels=False, showgrid=False, title="patients")
    figure.update_yaxes(showgrid=False, ticksuffix="  ", autorange="reversed")
    figure.update_layout(margin_t=8)
    return figure


def kinds_figure(kinds: pd.DataFrame, order: Sequence[str]) -> go.Figure:
    """Plot how many slices of each class are of each kind (format, channels, depth), commonest first.

    Args:
        kinds: indexed by kind, one column a label.
    """
    figure = go.Figure()
    colors = class_colors(order)
    totals = kinds.sum(axis=1).sort_values(ascending=False)
    shown = list(totals.index[:MOST_KINDS])
    for label in order:
        if label in kinds:
            figure.add_bar(
                x=kinds.loc[shown, label],
                y=shown,
                orientation="h",
                name=label,
                marker_color=colors[label],
                hovertemplate="%{y}: %{x:,} " + label + "<extra></extra>",
            )
    figure.update_layout(barmode="stack", bargap=0.35, legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", ticksuffix="  ")
    figure.update_xaxes(title="slices")
    return figure


def parts_figure(counts: pd.DataFrame) -> go.Figure:
    """Plot each class's share of the parts of a split.

    Args:
        counts: indexed by part, one column a label: slices.
    """
    figure = go.Figure()
    colors = class_colors(counts.columns)
    shares = counts.div(counts.sum(axis=1).replace(0, 1), axis=0) * 100
    for label in counts.columns:
        figure.add_bar(
            x=shares[label],
            y=list(counts.index),
            orientation="h",
            name=label,
            marker_color=colors[label],
            customdata=counts[label],
            text=[f"{count:,}" if count else "" for count in counts[label]],
            textposition="inside",
            insidetextanchor="middle",
            hovertemplate="%{y}: %{customdata:,} " + str(label) + " (%{x:.0f} %)<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.3, legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", ticksuffix="  ")
    figure.update_xaxes(title="% of the part's slices", range=[0, 100])
    return figure


def _band(x: NDArray[np.floating[Any]], low: NDArray[Any], high: NDArray[Any], color: str) -> dict[str, Any]:
    """Return the arguments of a filled band between two lines."""
    return {
        "x": np.concatenate([x, x[::-1]]),
        "y": np.concatenate([high, low[::-1]]),
        "fill": "toself",
        "fillcolor": _faint(color, 0.2),
        "mode": "lines",
        "line_width": 0,
    }


def _faint(color: str, opacity: float) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
