"""Figures of the Preprocess page."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.theme import DARK

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
