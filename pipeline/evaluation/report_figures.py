"""The report's figures as SVG text: they print sharply, need no script and no network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.evaluation.calibration import ReliabilityBin
from pipeline.evaluation.clinical import DecisionCurve
from pipeline.evaluation.curves import Curve
from pipeline.evaluation.estimates import Estimate

# Okabe and Ito's colours, as on the dashboard's pages; darker where they lie on white paper.
KNOWN = {"positive": "#C77F00", "negative": "#2F8FC4", "non-informative": "#7A7A7A"}
FURTHER = ("#00825E", "#8A7F00", "#0072B2", "#D55E00", "#B3608F")
LEFT, TOP, PLOT, GAP = 46, 14, 250, 40


def colors_of(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each class."""
    others = [label for label in labels if label not in KNOWN]
    return {label: KNOWN.get(label) or FURTHER[others.index(label) % len(FURTHER)] for label in labels}


@dataclass
class _Plot:
    """A square plot with linear axes; marks are added as SVG and drawn over the frame."""

    x_title: str
    y_title: str
    x_range: tuple[float, float] = (0, 1)
    y_range: tuple[float, float] = (0, 1)
    marks: list[str] = field(default_factory=list)

    def points(self, x: np.ndarray, y: np.ndarray) -> str:
        """Return coordinates as SVG points; values beyond the axes are kept at their edge."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        column = LEFT + (np.clip(x, x0, x1) - x0) / (x1 - x0) * PLOT
        row = TOP + PLOT - (np.clip(y, y0, y1) - y0) / (y1 - y0) * PLOT
        return " ".join(f"{c:.1f},{r:.1f}" for c, r in zip(column, row, strict=True))

    def line(self, x: np.ndarray, y: np.ndarray, color: str, *, dash: str = "", width: float = 1.6) -> None:
        self.marks.append(
            f'<polyline points="{self.points(x, y)}" fill="none" stroke="{color}" stroke-width="{width}"'
            f"{f' stroke-dasharray={chr(34)}{dash}{chr(34)}' if dash else ''}/>"
        )

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str) -> None:
        if np.isfinite(low).all() and np.isfinite(high).all():
            around = self.points(np.append(x, x[::-1]), np.append(low, high[::-1]))
            self.marks.append(f'<polygon points="{around}" fill="{color}" fill-opacity="0.14"/>')

    def dot(self, x: float, y: float, color: str) -> None:
        column, row = self.points(np.array([x]), np.array([y])).split(",")
        self.marks.append(f'<circle cx="{column}" cy="{row}" r="3" fill="{color}"/>')

    def svg(self, alt: str) -> str:
        """Return the whole picture."""
        size = LEFT + PLOT + 14, TOP + PLOT + GAP
        return (
            f'<svg viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" role="img" '
            f'aria-label="{html.escape(alt)}">{self._frame()}{"".join(self.marks)}</svg>'
        )

    def _frame(self) -> str:
        parts = [f'<rect x="{LEFT}" y="{TOP}" width="{PLOT}" height="{PLOT}" fill="none" stroke="#c5cbd4"/>']
        for value in _ticks(*self.x_range):
            x = float(self.points(np.array([value]), np.zeros(1)).split(",")[0])
            parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{TOP + PLOT}" stroke="#edf0f4"/>')
            parts.append(f'<text x="{x}" y="{TOP + PLOT + 15}" text-anchor="middle">{value:g}</text>')
        for value in _ticks(*self.y_range):
            y = float(self.points(np.zeros(1), np.array([value])).split(",")[1])
            parts.append(f'<line x1="{LEFT}" x2="{LEFT + PLOT}" y1="{y}" y2="{y}" stroke="#edf0f4"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
        middle = TOP + PLOT / 2
        parts.append(
            f'<text x="{LEFT + PLOT / 2}" y="{TOP + PLOT + 33}" text-anchor="middle" class="axis">'
            f"{html.escape(self.x_title)}</text>"
        )
        parts.append(
            f'<text x="12" y="{middle}" text-anchor="middle" class="axis" '
            f'transform="rotate(-90 12 {middle})">{html.escape(self.y_title)}</text>'
        )
        return "".join(parts)


def _ticks(low: float, high: float) -> np.ndarray:
    """Return round values between the ends of an axis, four to seven of them."""
    step = next(step for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if (high - low) / step <= 6)
    return np.round(np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step, 6) + 0.0


def plot_roc(curves: Sequence[Curve], labels: Sequence[str]) -> str:
    """Draw ROC curves with their bands."""
    plot = _Plot("1 - specificity", "sensitivity")
    plot.line(np.array([0, 1]), np.array([0, 1]), "#9aa3af", dash="3 3", width=1)
    return _draw(plot, curves, labels, "ROC curves")


def plot_precision_recall(curves: Sequence[Curve], labels: Sequence[str]) -> str:
    """Draw precision-recall curves with their bands."""
    return _draw(_Plot("recall", "precision"), curves, labels, "Precision-recall curves")


def plot_reliability(bins: Sequence[ReliabilityBin], label: str, labels: Sequence[str]) -> str:
    """Draw how often a class was right against its predicted probability."""
    plot, color = _Plot(f"predicted probability of {label}", "observed frequency"), colors_of(labels)[label]
    plot.line(np.array([0, 1]), np.array([0, 1]), "#9aa3af", dash="3 3", width=1)
    for found in bins:
        estimate, x = found.frequency, found.mean_probability
        if estimate.low is not None and estimate.high is not None:
            plot.line(np.array([x, x]), np.array([estimate.low, estimate.high]), color)
        if estimate.value is not None:
            plot.dot(x, estimate.value, color)
    return plot.svg("Reliability diagram")


def plot_decision(curve: DecisionCurve, labels: Sequence[str]) -> str:
    """Draw net benefit against the threshold probability."""
    color = colors_of(labels)[curve.label]
    top = np.ceil(max(0.05, float(np.nanmax(curve.model)), curve.prevalence) * 10) / 10
    plot = _Plot("threshold probability", "net benefit", y_range=(-0.25 * top, top))
    if np.isfinite(curve.low).all():
        plot.band(curve.thresholds, curve.low, curve.high, color)
    shown = curve.treat_all >= plot.y_range[0]
    plot.line(curve.thresholds[shown], curve.treat_all[shown], "#7b8494", dash="5 3", width=1.2)
    plot.line(np.array([0, 1]), np.zeros(2), "#7b8494", width=1)
    plot.line(curve.thresholds, curve.model, color)
    return plot.svg("Decision curve")


def plot_forest(rows: Sequence[tuple[str, Estimate]], *, reference: float | None) -> str:
    """Draw estimates with their intervals one below the other, [0, 1] from left to right."""
    left, width, height = 250, 300, 22
    parts = []
    if reference is not None:
        x = left + reference * width
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{height * len(rows)}" stroke="#b9c0ca"/>')
    for place, (name, estimate) in enumerate(rows):
        y = height * place + height / 2
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>')
        if estimate.value is None:
            parts.append(f'<text x="{left}" y="{y + 4}">{html.escape(estimate.reason or "")}</text>')
            continue
        if estimate.low is not None and estimate.high is not None:
            ends = left + estimate.low * width, left + estimate.high * width
            parts.append(f'<line x1="{ends[0]}" x2="{ends[1]}" y1="{y}" y2="{y}" stroke="#3c4656"/>')
        parts.append(f'<circle cx="{left + estimate.value * width}" cy="{y}" r="3.5" fill="#3c4656"/>')
    bottom = height * len(rows)
    parts += [
        f'<text x="{left + step * width}" y="{bottom + 14}" text-anchor="middle">{step:.2g}</text>'
        for step in (0, 0.25, 0.5, 0.75, 1)
    ]
    size = left + width + 20, bottom + 20
    return (
        f'<svg viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" role="img" aria-label="Subgroups">'
        f"{''.join(parts)}</svg>"
    )


def _draw(plot: _Plot, curves: Sequence[Curve], labels: Sequence[str], alt: str) -> str:
    colors = colors_of(labels)
    for curve in curves:
        plot.band(curve.grid, curve.low, curve.high, colors[curve.label])
    for curve in curves:
        plot.line(curve.x, curve.y, colors[curve.label])
    return plot.svg(alt)
