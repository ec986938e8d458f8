"""Charts of the map's report card."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pipeline.explanation.faithfulness import Curve, Faithfulness

MAP = "#7a6df0"
CHANCE = "#8b95a5"
CHANCE_BAND = "rgba(139, 149, 165, 0.22)"


def plot_faithfulness(found: Faithfulness) -> go.Figure:
    """Plot the margin as patches are hidden and as they are shown, beside the orders that know nothing."""
    figure = make_subplots(
        cols=2, subplot_titles=("Hidden first: it must fall", "Shown first: it must rise"), shared_yaxes=True
    )
    for column, curve in enumerate((found.deletion, found.insertion), start=1):
        for trace in _traces(curve, named=column == 1):
            figure.add_trace(trace, row=1, col=column)
    figure.update_xaxes(range=[0, 100], ticksuffix=" %", nticks=5)
    figure.update_yaxes(title_text="margin, logits", col=1)
    figure.update_annotations(font_size=12)
    figure.update_layout(
        margin={"l": 48, "r": 8, "t": 28, "b": 28},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.14, "yanchor": "top"},
    )
    return figure


def _traces(curve: Curve, *, named: bool) -> list[go.Scatter]:
    share = np.linspace(0, 100, len(curve.margins))
    low, high, mean = curve.random.min(axis=0), curve.random.max(axis=0), curve.random.mean(axis=0)
    quiet = {"x": share, "mode": "lines", "hoverinfo": "skip", "line": {"width": 0}, "showlegend": False}
    hover = "%{x:.0f} % of the patches: %{y:.2f}<extra></extra>"
    return [
        go.Scatter(y=low, **quiet),
        go.Scatter(y=high, fill="tonexty", fillcolor=CHANCE_BAND, **quiet),
        go.Scatter(
            x=share, y=mean, name="random orders", showlegend=named, line={"color": CHANCE, "width": 1.5},
            hovertemplate=hover,
        ),
        go.Scatter(
            x=share, y=curve.margins, name="this map's order", showlegend=named, hovertemplate=hover,
            line={"color": MAP, "width": 2.5},
        ),
    ]  # fmt: skip
