"""Figures of the Explore page: how much of each class, of what size and make, how bright."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.theme import class_colors

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


def intensity_figure(histograms: Mapping[str, NDArray[np.float32]], order: Sequence[str]) -> go.Figure:
    """Plot the median grey histogram of each class with the band that holds half of its slices.

    Args:
        histograms: label -> (slices, bins) shares of pixels.
        order: all labels, for their colours.
    """
    figure = go.Figure()
    colors = class_colors(order)
    for label in order:
        if label not in histograms or not len(histograms[label]):
            continue
        low, middle, high = np.percentile(histograms[label], [25, 50, 75], axis=0) * 100
        grey = (np.arange(len(middle)) + 0.5) * 256 / len(middle)
        figure.add_scatter(
            x=np.concatenate([grey, grey[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=_faint(colors[label]),
            line_width=0,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=label,
        )
        figure.add_scatter(
            x=grey,
            y=middle,
            mode="lines",
            line={"color": colors[label], "width": 2},
            name=label,
            legendgroup=label,
            hovertemplate=label + ": %{y:.1f} % of pixels near %{x:.0f}<extra></extra>",
        )
    highest = max(
        (np.percentile(values, 75, axis=0)[1:].max() for values in histograms.values() if len(values)),
        default=0,
    )
    figure.update_xaxes(title="grey level", range=[0, 256])
    figure.update_yaxes(title="% of pixels", range=[0, max(1.0, 115 * float(highest))])
    return figure


def dimensions_figure(sizes: pd.DataFrame, order: Sequence[str]) -> go.Figure:
    """Plot image sizes as bubbles.

    Args:
        sizes: columns `width`, `height`, `label`, `slices`: one row a size and class.
    """
    figure = go.Figure()
    colors = class_colors(order)
    greatest = max(int(sizes["slices"].max()), 1)
    for label in order:
        rows = sizes[sizes["label"] == label]
        if len(rows):
            figure.add_scatter(
                x=rows["width"],
                y=rows["height"],
                mode="markers",
                name=label,
                marker={
                    "size": 6 + 26 * np.sqrt(rows["slices"] / greatest),
                    "color": colors[label],
                    "opacity": 0.6,
                    "line_width": 0,
                },
                customdata=rows["slices"],
                hovertemplate="%{x} x %{y}: %{customdata:,} " + label + "<extra></extra>",
            )
    figure.update_xaxes(title="width", rangemode="tozero")
    figure.update_yaxes(title="height", rangemode="tozero")
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


def _faint(color: str) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
