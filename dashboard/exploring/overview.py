"""The Overview tab: classes, average slices, brightness, patients, lungs, files, sizes."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from cv2.typing import MatLike
from streamlit.delta_generator import DeltaGenerator

from dashboard import widgets
from dashboard.charts import class_color, class_colors
from dashboard.charts.explore import (
    balance_figure,
    intensity_figure,
    kinds_figure,
    lungs_figure,
    patients_figure,
)
from dashboard.exploring.filters import set_lasso
from dashboard.exploring.head import class_counts
from dashboard.exploring.selecting import Lasso
from dashboard.loaders import explore as load
from dashboard.loaders import overview as load_overview
from dashboard.viewer.scatter import Points, scatter

HEIGHT = 232
MOST_MEANS, ABREAST = 12, 4  # average slices that are drawn, and those that fit without scrolling
FEW_SIZES = 3  # are said in words
_CHANNELS = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGBA"}
_COLUMNS = [
    "label",
    "patient_id",
    "source",
    "width",
    "height",
    "format",
    "channels",
    "channels_equal",
    "bit_depth",
]
Section = tuple[int, Callable[[], None]]  # its share of a row's width, and what draws it


def draw_overview(dataset: str) -> None:
    """Draw what the data set is made of."""
    from pipeline.data.table import OK, UNLABELLED

    index = load.index(dataset)
    if not (index["status"] == OK).any():
        widgets.callout(
            "None of the files could be read as a slice. The Slices tab, with Show: Unreadable, says why.",
            tone="bad",
            title="Nothing to see",
        )
        return
    for sentence in load.warnings(dataset):
        widgets.callout(sentence, tone="warn")
    if index["label"].isna().all():
        widgets.callout(
            "No slice has a label: put them into one folder a class or give a labels CSV, and index again.",
            tone="warn",
            title="No classes",
        )
    readable = index.loc[(index["status"] == OK).to_numpy(bool), _COLUMNS]
    readable = readable.assign(label=readable["label"].fillna(UNLABELLED))
    counts = class_counts(readable)
    labels = list(counts.index)
    left, middle, right = st.columns(3, gap="small")
    with left, widgets.panel("Classes", _balance_text(counts), key="explore-balance"):
        _chart(dataset, "balance", lambda: balance_figure(counts))
    with middle, widgets.panel("Average slice", means_text(len(labels)), key="explore-means"):
        means = st.empty()
        means.html('<div class="h-means"></div>')
    with right, widgets.panel("Brightness", "median and middle half; dotted: all", key="explore-grey"):
        _chart(dataset, "grey", lambda: intensity_figure(load_overview.intensity(dataset), labels))
    _draw_row([(8, lambda: _patients(dataset, labels)), (5, lambda: _lungs(dataset, labels))])
    sections: list[Section] = [(1, lambda: _files(dataset, readable, labels))]
    if len(load_overview.choices(dataset, "source")) > 1:
        sections.append((1, lambda: _sources(dataset, labels)))
    if _distinct_sizes(readable) > FEW_SIZES:
        sections.append((1, lambda: _dimensions(dataset, readable, labels)))
    _draw_row(sections)
    # Last: the first time it reads slices, and the rest of the page need not wait for it.
    with widgets.guarded("The average slices could not be made."):
        means.html(_means(dataset, labels, means))


def _draw_row(sections: Sequence[Section]) -> None:
    for column, (_, draw) in zip(
        st.columns([share for share, _ in sections], gap="small"), sections, strict=True
    ):
        with column, widgets.guarded("This part could not be shown."):
            draw()


def _balance_text(counts: pd.DataFrame) -> str:
    if len(counts) < 2:
        return ""
    ratios = {unit: counts[unit].max() / counts[unit].min() for unit in counts if counts[unit].min()}
    return ", ".join(f"{ratio:.{ratio < 10:d}f} : 1 by {unit}" for unit, ratio in ratios.items())


def means_text(classes: int) -> str:
    """Say what the small pictures are, and how many of so many classes there are to see."""
    many = f"; the first {MOST_MEANS} of {classes}" if classes > MOST_MEANS else f"; all {classes}"
    return "below it: where slices differ" + (f"{many}, scroll sideways" if classes > ABREAST else "")


def _means(dataset: str, labels: list[str], place: DeltaGenerator) -> str:
    """Return the average slices as HTML; while they are made, `place` says how far it is."""

    def on_progress(done: int, total: int) -> None:
        bar = f'<i style="width:{100 * done / max(total, 1):.0f}%"></i>'
        words = f"{done:,} of {total:,} slices read"
        place.html(f'<div class="h-means"><div class="h-wait">{bar}{words}</div></div>')

    means = load_overview.class_means(dataset, on_progress)
    cells = []
    for mean in sorted(means, key=lambda mean: labels.index(mean.label))[:MOST_MEANS]:
        color, label = class_color(mean.label, labels), html.escape(mean.label)
        cells.append(
            f'<figure style="border-color:{color}">{_picture(mean.mean, f"average {label} slice")}'
            f"{_picture(cv2.convertScaleAbs(mean.deviation, alpha=2), 'where slices differ', kind='spread')}"
            f"<figcaption>{label} <i>n = {mean.slices}</i></figcaption></figure>"
        )
    return f'<div class="h-means">{"".join(cells)}</div>'


def _picture(image: MatLike, text: str, *, kind: str = "") -> str:
    data = base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
    return f'<img alt="{text}" title="{text}" class="{kind}" src="data:image/png;base64,{data}">'


def _patients(dataset: str, labels: list[str]) -> None:
    from pipeline.data.overview import matrix_of

    counts = load_overview.counts(dataset, "patient_id")
    if counts.empty:
        with widgets.panel("Patients", key="explore-patients"):
            widgets.callout(
                "No patient id is known, so figures by patient and splits by patient can't be had. A column "
                "patient_id in a labels CSV brings them; splits then keep near-copies together.",
                tone="warn",
                title="Patients unknown",
            )
        return
    matrix, together = matrix_of(counts)
    several = int(((counts > 0).sum(axis=1) > 1).sum())
    words = (
        f"a column a patient, the stronger the more slices; {several:,} of {len(counts):,} in several classes"
    )
    if together > 1:
        words += f"; {together} neighbours drawn together"
    with widgets.panel("Patients by class", words, key="explore-patients"):
        _chart(dataset, "patients", lambda: patients_figure(matrix, labels))


def _lungs(dataset: str, labels: list[str]) -> None:
    profile = load_overview.lungs(dataset)
    words = "" if profile.missing else f"{profile.stacks:,} stacks, {profile.slices:,} slices; middle half"
    with widgets.panel("Lung along the body", words, key="explore-lungs"):
        if profile.missing:
            widgets.callout(profile.missing, title="Nothing to show yet")
        else:
            _chart(dataset, "lungs", lambda: lungs_figure(profile, labels))


def _files(dataset: str, readable: pd.DataFrame, labels: list[str]) -> None:
    words = [_channels_text(readable)]
    if _distinct_sizes(readable) <= FEW_SIZES:
        words.insert(0, _sizes_text(readable))
    with widgets.panel("Files", "; ".join(words), key="explore-kinds"):
        _bars(dataset, "kinds", lambda: _kinds(readable), labels)


def _sources(dataset: str, labels: list[str]) -> None:
    counts = load_overview.counts(dataset, "source")
    alone = int(((counts > 0).sum(axis=1) == 1).sum())
    words = (
        f"{alone} of {len(counts)} hold one class only"
        if alone and len(labels) > 1
        else f"{len(counts)} sources"
    )
    with widgets.panel("Sources by class", words, key="explore-sources"):
        _bars(dataset, "sources", lambda: counts, labels)


def _bars(dataset: str, name: str, count: Callable[[], pd.DataFrame], labels: list[str]) -> None:
    """Draw slices by kind; the classes' colours are said on top of the page."""
    _chart(dataset, name, lambda: kinds_figure(count(), labels).update_layout(showlegend=False, margin_t=8))


def _chart(dataset: str, name: str, build: Callable[[], go.Figure]) -> None:
    """Draw a figure that is built once for an index: Plotly takes longer over it than over its data."""
    figure = load_overview.figure(dataset, name, build)
    widgets.chart(figure, key=f"explore-{name}-chart", height=HEIGHT)


def _dimensions(dataset: str, readable: pd.DataFrame, labels: list[str]) -> None:
    """Draw sizes as discs; a line around some of them shows their slices."""
    sizes = readable.groupby(["width", "height", "label"]).size().rename("slices").reset_index()
    sizes = sizes.sort_values("slices", ascending=False).head(20_000)
    colors = class_colors(labels)
    with widgets.panel("Dimensions", _sizes_text(readable), key="explore-sizes"):
        state = scatter(
            Points(
                sizes["width"].to_numpy(float),
                sizes["height"].to_numpy(float),
                sizes["label"].map(labels.index).to_numpy(np.uint8),
                [colors[label] for label in labels],
                [(label, colors[label]) for label in labels],
                sizes=3 + 14 * np.sqrt(sizes["slices"] / sizes["slices"].max()),
                x_title="Width (pixels)",
                y_title="Height (pixels)",
            ),
            key="explore-sizes-scatter",
            height=HEIGHT,
            unit="sizes",
        )
    polygon = state.lasso
    if state.picked is not None:
        width, height = sizes.iloc[state.picked][["width", "height"]].astype(float)
        polygon = tuple((width + dx, height + dy) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    if polygon:
        set_lasso(dataset, Lasso("Width", "Height", polygon))
        st.session_state["explore.goes"] = "Slices"
        st.rerun()


def _distinct_sizes(readable: pd.DataFrame) -> int:
    return len(readable[["width", "height"]].drop_duplicates())


def _sizes_text(readable: pd.DataFrame) -> str:
    """Say sizes and shapes in a few words."""
    sizes = readable.groupby(["width", "height"]).size().sort_values(ascending=False)
    if len(sizes) <= FEW_SIZES:
        named = [f"{width} x {height}" for width, height in sizes.index]
        return ("all " if len(sizes) == 1 else "") + ", ".join(named) + " pixels"
    width, height = sizes.index[0]
    square = float((readable["width"] == readable["height"]).mean())
    aspect = (readable["width"] / readable["height"]).astype(float)
    return f"mostly {width} x {height}; {square:.0%} square, ratio {aspect.min():.2f} to {aspect.max():.2f}"


def _kinds(readable: pd.DataFrame) -> pd.DataFrame:
    """Return slices by kind of file (rows) and label (columns)."""
    grouped = readable.groupby(["format", "channels", "bit_depth", "label"], dropna=False).size()
    table = grouped.rename("slices").reset_index()
    channels = table["channels"].map(_CHANNELS).fillna("other")
    kind = table["format"].str.upper() + ", " + channels + ", " + table["bit_depth"].astype("str") + " bit"
    return table.assign(kind=kind).pivot_table(
        index="kind", columns="label", values="slices", aggfunc="sum", fill_value=0
    )


def _channels_text(readable: pd.DataFrame) -> str:
    several = readable["channels"] > 1
    if not several.any():
        return "one channel each"
    equal = readable.loc[several, "channels_equal"].mean()
    return f"{int(several.sum()):,} have several channels, all alike in {equal:.0%} of them"
