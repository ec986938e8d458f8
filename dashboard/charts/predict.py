"""Figures of the Predict page: the strip of a series along the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.theme import class_colors

REFUSED, UNREADABLE = "#d1495b", "#8a6fb0"
LUNG = "#35c2a5"
GREY = "#808a99"
CURRENT = "#8f83f7"
_STRIP, _LUNGS = (0.36, 1.0), (0.0, 0.26)  # of the figure's height
_WIDEST = 1.6  # usual steps
_FAINT = "66"  # hexadecimal, of 255


@dataclass(frozen=True)
class StripSlice:
    """One slice on the strip.

    Attributes:
        number: which of the series, from 0.
        at: where it is drawn: mm along the body, or its number from 1.
        kind: `counts`, `repeated`, `non-informative`, `refused`, `unreadable`.
        probabilities: by class; empty where none is shown.
        lung_share: of the body's area, None where unknown.
        words: what the cursor says.
    """

    number: int
    at: float
    kind: str
    probabilities: dict[str, float] = field(default_factory=dict)
    lung_share: float | None = None
    words: str = ""


def strip_figure(
    slices: Sequence[StripSlice],
    labels: Sequence[str],
    *,
    current: int | None = None,
    in_mm: bool = True,
    calibrated: bool = True,
) -> go.Figure:
    """Draw what the model says along the body, head left; a click on a slice selects its `[number]`.

    Args:
        slices: from the head down.
        labels: the classes, in their order.
        current: the number of the slice that is shown below.
        in_mm: whether places are mm, which fall from head to feet, and not numbers.
        calibrated: whether scores are probabilities.
    """
    figure = go.Figure()
    cells = cells_of([each.at for each in slices])
    _add_scores(figure, slices, cells, labels)
    _add_blanks(figure, slices, cells)
    _add_marks(figure, slices)
    _add_lungs(figure, slices)
    _add_targets(figure, slices, cells)
    shown = next((each for each in slices if each.number == current), None)
    if shown is not None:
        figure.add_vline(x=shown.at, line={"color": CURRENT, "width": 3})
    title = "position along the body, mm (head left)" if in_mm else "slice, in the order of names"
    ends = (float((cells[:, 0] + cells[:, 1] / 2).max()), float((cells[:, 0] - cells[:, 1] / 2).min()))
    figure.update_xaxes(
        title=title, range=ends if in_mm else ends[::-1], anchor="y2", showgrid=False, fixedrange=True,
        zeroline=False,
    )  # fmt: skip
    score_axis = {
        "domain": _STRIP,
        "range": [0, 1.02],
        "tickvals": [0, 0.5, 1],
        "title": "probability" if calibrated else "score",
    }
    lung_axis = {"domain": _LUNGS, "rangemode": "tozero", "nticks": 3, "tickformat": ".0%", "title": "lung"}
    figure.update_layout(
        barmode="overlay", bargap=0, dragmode=False, hovermode="closest",
        yaxis={**score_axis, "fixedrange": True, "zeroline": False},
        yaxis2={**lung_axis, "fixedrange": True, "zeroline": False},
        margin={"l": 8, "r": 8, "t": 26, "b": 8},
    )  # fmt: skip
    return figure


def cells_of(places: Sequence[float]) -> np.ndarray:
    """Return middle and width of each slice's stretch, (n, 2): up to half-way to its neighbours.

    Where slices are missing the strip has a gap: a stretch is never much wider than the usual step.

    >>> cells_of([30.0, 20.0, 10.0, -40.0]).tolist()
    [[30.0, 10.0], [20.0, 10.0], [8.5, 13.0], [-40.0, 16.0]]
    """
    at = np.array(places, float)
    order = np.argsort(at, kind="stable")
    steps = np.diff(at[order])
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    half = np.minimum(steps, _WIDEST * usual) / 2
    ends = (half[:1], half[-1:]) if len(half) else (np.array([usual / 2]),) * 2
    below, above = np.concatenate([ends[0], half]), np.concatenate([half, ends[1]])
    cells = np.zeros((len(at), 2))
    cells[order] = np.stack([at[order] + (above - below) / 2, above + below], axis=1)
    return cells


def _add_scores(
    figure: go.Figure, slices: Sequence[StripSlice], cells: np.ndarray, labels: Sequence[str]
) -> None:
    """Add a bar a slice, divided by the classes' scores."""
    chosen = [at for at, each in enumerate(slices) if each.kind in ("counts", "repeated")]
    shown = [slices[at] for at in chosen]
    colors, base = class_colors(labels), np.zeros(len(shown))
    alphas = ["ff" if each.kind == "counts" else _FAINT for each in shown]
    for label in labels:
        height = np.array([each.probabilities[label] for each in shown])
        figure.add_bar(
            x=cells[chosen, 0], y=height, base=base, width=0.97 * cells[chosen, 1], name=label,
            marker={"color": [colors[label] + alpha for alpha in alphas], "line": {"width": 0}},
            hoverinfo="skip", **_unmoved(),
        )  # fmt: skip
        base = base + height


def _add_blanks(figure: go.Figure, slices: Sequence[StripSlice], cells: np.ndarray) -> None:
    """Add what tells nothing of disease, as hatched bars without a score."""
    blank = [at for at, each in enumerate(slices) if each.kind == "non-informative"]
    if blank:
        figure.add_bar(
            x=cells[blank, 0], y=[1.0] * len(blank), base=0, width=cells[blank, 1], name="non-informative",
            marker={
                "color": "rgba(128,138,153,0.10)", "line": {"width": 0},
                "pattern": {"shape": "/", "fgcolor": GREY, "fgopacity": 0.55, "size": 6, "solidity": 0.18},
            },
            hoverinfo="skip", **_unmoved(),
        )  # fmt: skip


def _add_marks(figure: go.Figure, slices: Sequence[StripSlice]) -> None:
    """Add a mark for each slice that was refused or cannot be read."""
    for kind, name, symbol, color in (
        ("refused", "refused", "x-thin", REFUSED),
        ("unreadable", "unreadable", "diamond-open", UNREADABLE),
    ):
        found = [each for each in slices if each.kind == kind]
        if found:
            figure.add_scatter(
                x=[each.at for each in found], y=[0.5] * len(found), mode="markers", name=name,
                marker={"symbol": symbol, "size": 8, "color": color, "line": {"width": 2, "color": color}},
                hoverinfo="skip", **_unmoved(),
            )  # fmt: skip


def _add_lungs(figure: go.Figure, slices: Sequence[StripSlice]) -> None:
    figure.add_scatter(
        x=[each.at for each in slices], y=[each.lung_share for each in slices], mode="lines", yaxis="y2",
        fill="tozeroy", line={"color": LUNG, "width": 1.5, "shape": "hvh"}, fillcolor="rgba(53,194,165,0.22)",
        name="lung's share of the body", hoverinfo="skip",
    )  # fmt: skip


def _add_targets(figure: go.Figure, slices: Sequence[StripSlice], cells: np.ndarray) -> None:
    """Add an invisible bar over each slice, which the cursor meets and a click selects."""
    figure.add_bar(
        x=cells[:, 0], y=[1.0] * len(slices), base=0, width=cells[:, 1],
        marker={"color": "rgba(128,138,153,0.001)", "line": {"width": 0}},
        customdata=[[each.number] for each in slices], text=[each.words for each in slices],
        textposition="none", hovertemplate="%{text}<extra></extra>", showlegend=False, **_unmoved(),
    )  # fmt: skip


def _unmoved() -> dict[str, object]:
    """Keep a trace as it is while a slice is selected: the line shows which."""
    same: dict[str, object] = {"marker": {"opacity": 1}}
    return {"selected": same, "unselected": same}
