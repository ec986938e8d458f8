"""Small parts of pages: number tiles, class badges, callouts, empty states, charts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from dashboard.charts.theme import class_colors, style_figure
from pipeline.notice import NOTICE

Tone = Literal["neutral", "good", "warn", "bad"]


@dataclass(frozen=True)
class Tile:
    """One figure: `label`, `value` as text, `detail` below it (an interval, n, a share), `help` on hover."""

    label: str
    value: str
    detail: str = ""
    tone: Tone = "neutral"
    help: str = ""

    @classmethod
    def of_estimate(
        cls,
        label: str,
        estimate: Mapping[str, float | None],
        *,
        n: int | None = None,
        unit: str = "",
        help: str = "",
    ) -> Tile:
        """Make a tile of `{"value", "low", "high"[, "reason"]}`; `n` comes with its `unit` ("patients")."""
        value = estimate.get("value")
        if value is None:
            return cls(label, "n/a", str(estimate.get("reason") or "could not be computed"), help=help)
        parts = []
        if estimate.get("low") is not None:
            parts.append(f"95% CI {estimate['low']:.2f} to {estimate['high']:.2f}")
        if n is not None:
            parts.append(f"n = {n:,} {unit}".rstrip())
        return cls(label, f"{value:.2f}", " · ".join(parts), help=help)


def tiles(items: Sequence[Tile]) -> None:
    """Draw number tiles in one row that wraps."""
    cells = "".join(
        f'<div class="h-tile" data-tone="{tile.tone}" title="{html.escape(tile.help)}">'
        f'<div class="h-tile-label">{html.escape(tile.label)}</div>'
        f'<div class="h-tile-value">{html.escape(tile.value)}</div>'
        f'<div class="h-tile-detail">{html.escape(tile.detail)}</div></div>'
        for tile in items
    )
    st.html(f'<div class="h-tiles">{cells}</div>')


def estimate_text(estimate: Mapping[str, float | None], digits: int = 2) -> str:
    """Return an estimate as text: `0.91 (0.85 to 0.95)`, or `n/a` where it could not be computed."""
    value, low, high = estimate.get("value"), estimate.get("low"), estimate.get("high")
    if value is None:
        return "n/a"
    if low is None or high is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def heading(text: str, caption: str = "") -> None:
    """Draw a section's heading with an optional explanation beside it."""
    st.html(
        f'<div class="h-heading"><h2>{html.escape(text)}</h2>'
        f"{f'<p>{html.escape(caption)}</p>' if caption else ''}</div>"
    )


@contextmanager
def panel(title: str = "", caption: str = "", *, key: str) -> Iterator[None]:
    """Draw a raised panel around what the `with` block draws, with a heading where `title` is given."""
    with st.container(border=True, key=f"h-panel-{key}", gap="small"):
        if title:
            heading(title, caption)
        yield


def class_badge(label: str, labels: Iterable[str] = (), *, text: str = "") -> str:
    """Return HTML for a class: a dot in its colour and its name (or `text`). Draw it with `st.html`."""
    color = class_colors([*labels, label])[label]
    return f'<span class="h-class"><i style="background:{color}"></i>{html.escape(text or label)}</span>'


def class_legend(labels: Sequence[str], counts: Mapping[str, int] | None = None) -> None:
    """Draw the classes with their colours, and counts where given."""
    badges = (
        class_badge(label, labels, text=f"{label} {counts[label]:,}" if counts and label in counts else label)
        for label in labels
    )
    st.html(f'<div class="h-legend">{"".join(badges)}</div>')


def synthetic_badge(synthetic: bool = True) -> None:
    """Say that what is shown was made by the phantom generator. Draws nothing where `synthetic` is False."""
    if synthetic:
        st.html('<span class="h-synthetic">Synthetic task, not COVID-19</span>', width="content")


def research_notice() -> None:
    """Draw the research notice in the flow of a page, beside a model's opinion (each page's foot has it)."""
    st.html(f'<div class="h-notice h-notice-inline">{NOTICE}</div>')


def callout(text: str, *, tone: Tone = "neutral", title: str = "") -> None:
    """Draw a calm box with one or two sentences: a verdict, a warning, a finding."""
    head = f"<strong>{html.escape(title)}</strong>" if title else ""
    st.html(f'<div class="h-callout" data-tone="{tone}">{head}<span>{html.escape(text)}</span></div>')


def empty_state(
    title: str, text: str, *, command: str = "", action: str = "", other: str = "", key: str = "empty"
) -> str:
    """Say what is missing here and how to get it; return which button was pressed, "" where none.

    Args:
        command: a shell command to copy.
        action: what the main button says.
        other: what a second, quieter button says.
    """
    pressed = ""
    with st.container(border=True, key=f"h-empty-{key}", horizontal_alignment="center", gap="small"):
        st.html(
            f'<div class="h-empty"><h2>{html.escape(title)}</h2><p>{html.escape(text)}</p></div>',
            width="stretch",
        )
        with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
            if action and st.button(action, type="primary", key=f"{key}-action"):
                pressed = action
            if other and st.button(other, key=f"{key}-other"):
                pressed = other
        if command:
            st.code(command, language="bash", width=620)
    return pressed


def chart(figure: go.Figure, *, key: str, height: int | None = None, **options: Any) -> Any:
    """Show a figure in Hilum's look, stable over refreshes through its `key`.

    `options` go to `st.plotly_chart`. Returns what `st.plotly_chart` returns, so `on_select="rerun"` works.
    """
    from dashboard.widgets.frame import is_dark

    styled = style_figure(figure, dark=is_dark(), height=height)
    config = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False} | options.pop("config", {})
    return st.plotly_chart(styled, key=key, theme=None, config=config, **options)
