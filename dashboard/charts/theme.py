"""The one Plotly template, dark and light, and the colours that classes have everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import plotly.graph_objects as go
import plotly.io

# Each figure would carry a copy of Plotly's own template, only to have it replaced by Hilum's: half its cost.
plotly.io.templates.default = "none"

# Okabe and Ito's palette: told apart with every common kind of colour blindness.
KNOWN_CLASSES = {"positive": "#E69F00", "negative": "#56B4E9", "non-informative": "#999999"}
FURTHER_CLASSES = ("#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")

FONT = "Inter, 'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours of one theme, in step with .streamlit/config.toml and assets/style.css."""

    background: str
    panel: str
    border: str
    grid: str
    text: str
    muted: str
    accent: str
    good: str
    warn: str
    bad: str


DARK = Palette(
    background="#0b0e13",
    panel="#12171f",
    border="#262e3a",
    grid="#1c232d",
    text="#e4e9f0",
    muted="#98a3b3",
    accent="#8f83f7",
    good="#4cc38a",
    warn="#e5b567",
    bad="#f2777a",
)
LIGHT = Palette(
    background="#f6f7f9",
    panel="#ffffff",
    border="#d9dee6",
    grid="#e8ebf0",
    text="#161b23",
    muted="#566072",
    accent="#5b4bd6",
    good="#1a7f4f",
    warn="#8a5a00",
    bad="#b3262e",
)


def class_colors(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for each label: the three known classes keep theirs, others take the next free one.

    Pass all the labels of a data set, in their order, so that a class has one colour on every page.
    """
    ordered = list(dict.fromkeys(labels))
    others = [label for label in ordered if label not in KNOWN_CLASSES]
    further = {label: FURTHER_CLASSES[i % len(FURTHER_CLASSES)] for i, label in enumerate(others)}
    return {label: KNOWN_CLASSES.get(label) or further[label] for label in ordered}


def class_color(label: str, labels: Iterable[str] = ()) -> str:
    """Return the colour of one class; `labels` are all the classes, for those beyond the known three."""
    return class_colors([*labels, label])[label]


def style_figure(figure: go.Figure, *, dark: bool = True, height: int | None = None) -> go.Figure:
    """Return a copy of `figure` in Hilum's look. `widgets.chart` calls this; tests and reports may too."""
    styled = go.Figure(figure)
    styled.update_layout(template=_template(DARK if dark else LIGHT))
    if height is not None:
        styled.update_layout(height=height)
    return styled


@cache
def _template(palette: Palette) -> go.layout.Template:
    axis = {
        "gridcolor": palette.grid,
        "linecolor": palette.border,
        "zerolinecolor": palette.border,
        "tickcolor": palette.border,
        "tickfont": {"color": palette.muted, "size": 11},
        "title": {"font": {"color": palette.muted, "size": 12}, "standoff": 8},
        "zerolinewidth": 1,
        "automargin": True,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": palette.text},
            "title": {
                "font": {"size": 13, "color": palette.text},
                "x": 0,
                "xanchor": "left",
                "pad": {"l": 2},
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [palette.accent, *FURTHER_CLASSES],
            "margin": {"l": 8, "r": 8, "t": 32, "b": 8},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {
                "orientation": "h",
                "y": 1.02,
                "yanchor": "bottom",
                "x": 1,
                "xanchor": "right",
                "title": {"text": ""},
            },
            "hoverlabel": {
                "bgcolor": palette.panel,
                "bordercolor": palette.border,
                "font": {"family": FONT, "color": palette.text},
            },
            "colorscale": {"sequential": "Viridis", "diverging": "RdBu_r"},
            "bargap": 0.28,
        }
    )
