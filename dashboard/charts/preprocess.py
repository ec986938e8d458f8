"""Figures of the Preprocess page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.theme import DARK

if TYPE_CHECKING:
    from pipeline.inference.sensitivity import SweepPoint

LINE = "#35c2a5"  # the colour of the mask's outline


def histogram_figure(
    counts: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    unit: str,
    level: float | None,
    window: tuple[float, float] | None,
) -> go.Figure:
    """Draw how many pixels have which value, the threshold's level and, in HU, the window's ends.

    `counts` (n,) lie between `edges` (n + 1,). Heights are square roots, so that small parts are seen.
    """
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        go.Scatter(
            x=middles, y=np.sqrt(counts), customdata=counts, mode="lines", fill="tozeroy",
            line={"width": 1, "color": DARK.muted, "shape": "hvh"}, fillcolor="rgba(152, 163, 179, 0.28)",
            hovertemplate="%{x:.0f} " + unit + ": %{customdata:,.0f} pixels<extra></extra>",
        )
    )  # fmt: skip
    if window is not None:
        figure.add_vrect(x0=window[0], x1=window[1], fillcolor=DARK.accent, opacity=0.14, line_width=0)
    if level is not None:
        figure.add_vline(
            x=level, line={"color": LINE, "width": 2}, annotation_text=f"{level:.0f}",
            annotation_position="top left", annotation_font_size=11, annotation_font_color=LINE,
        )  # fmt: skip
    figure.update_layout(showlegend=False, margin={"l": 0, "r": 0, "t": 4, "b": 0}, uirevision="histogram")
    figure.update_yaxes(visible=False, fixedrange=True)
    figure.update_xaxes(title=None, fixedrange=True, nticks=6, ticksuffix="", range=[edges[0], edges[-1]])
    return figure


def sweep_figure(points: Sequence[SweepPoint], *, parameter: str, own: float, unit: str = "") -> go.Figure:
    """Draw what a swept parameter does, one small chart below the other; a line marks the recipe's own value.

    Charts: the median lung area, the share of masks that are not believed, the mean lesion recall where
    lesions are known, and the share of flipped predictions where a model was asked.
    """
    rows: list[tuple[str, list[float | None], str]] = [
        ("Median lung area, % of the slice", [100 * point.lung_share for point in points], ".1f"),
        (
            "Masks not believed, %",
            [100 * point.implausible / max(1, point.slices) for point in points],
            ".0f",
        ),
    ]
    if any(point.lesion_recall is not None for point in points):
        recalls = [None if p.lesion_recall is None else 100 * p.lesion_recall for p in points]
        rows.append(("Mean lesion recall, %", recalls, ".1f"))
    if any(point.flips is not None for point in points):
        flips = [None if p.flips is None else 100 * p.flips / max(1, p.slices) for p in points]
        rows.append(("Predictions flipped, %", flips, ".0f"))
    figure = make_subplots(
        rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.09,
        subplot_titles=[title for title, _, _ in rows],
    )  # fmt: skip
    values = [point.value for point in points]
    counts = [point.slices for point in points]
    for number, (title, heights, form) in enumerate(rows, start=1):
        figure.add_trace(
            go.Scatter(
                x=values, y=heights, customdata=counts, mode="lines+markers", name=title,
                line={"width": 2, "color": DARK.accent}, marker={"size": 6},
                hovertemplate=f"{parameter} %{{x:g}}: %{{y:{form}}} % (n = %{{customdata}})<extra></extra>",
            ),
            row=number, col=1,
        )  # fmt: skip
        figure.add_vline(x=own, line={"color": LINE, "width": 1.5, "dash": "dot"}, row=number, col=1)
        top = max([height for height in heights if height is not None], default=0.0)
        figure.update_yaxes(
            range=[0, 1.1 * max(top, 9.0)], nticks=4, fixedrange=True, title=None, row=number, col=1
        )
    figure.update_annotations(font_size=12, xanchor="left", x=0)
    figure.update_xaxes(fixedrange=True)
    figure.update_xaxes(title=f"{parameter}{f' ({unit})' if unit else ''}", row=len(rows), col=1)
    figure.update_layout(showlegend=False, margin={"l": 0, "r": 8, "t": 22, "b": 0}, uirevision="sweep")
    return figure
