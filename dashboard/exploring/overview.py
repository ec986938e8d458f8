"""The Overview tab: class balance, average slices, brightness, sizes, kinds of files."""

from __future__ import annotations

import base64
import html

import cv2
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from cv2.typing import MatLike

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.charts.explore import balance_figure, dimensions_figure, intensity_figure, kinds_figure
from dashboard.exploring.head import class_counts
from dashboard.loaders import explore as load

HEIGHT = 232
_CHANNELS = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGBA"}


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
    if index["label"].isna().all():
        widgets.callout(
            "No slice has a label: put them into one folder a class or give a labels CSV, and index again.",
            tone="warn",
            title="No classes",
        )
    index = index.assign(label=index["label"].fillna(UNLABELLED))
    readable = index[(index["status"] == OK).to_numpy()]
    counts = class_counts(readable)
    labels = list(counts.index)
    left, middle, right = st.columns(3, gap="small")
    with left, widgets.panel("Classes", _balance_text(counts), key="explore-balance"):
        widgets.chart(balance_figure(counts), key="explore-balance-chart", height=HEIGHT)
    with middle, widgets.panel("Average slice", "small: where slices differ", key="explore-means"):
        means = st.empty()
        means.html('<div class="h-means"></div>')
    with right, widgets.panel("Brightness", "median and middle half of slices", key="explore-grey"):
        widgets.chart(_intensity(dataset, index, labels), key="explore-grey-chart", height=HEIGHT)
    left, right = st.columns(2, gap="small")
    with left, widgets.panel("Dimensions", "pixels; area of a dot: slices", key="explore-sizes"):
        widgets.chart(dimensions_figure(_sizes(readable), labels), key="explore-sizes-chart", height=HEIGHT)
    with right, widgets.panel("Files", _channels_text(readable), key="explore-kinds"):
        widgets.chart(kinds_figure(_kinds(readable), labels), key="explore-kinds-chart", height=HEIGHT)
    # Last: the first time it reads slices, and the rest of the page need not wait for it.
    with widgets.guarded("The average slices could not be made."):
        means.html(_means(dataset, labels))


def _balance_text(counts: pd.DataFrame) -> str:
    if len(counts) < 2:
        return ""
    ratios = {unit: counts[unit].max() / counts[unit].min() for unit in counts if counts[unit].min()}
    return ", ".join(f"{ratio:.{ratio < 10:d}f} : 1 by {unit}" for unit, ratio in ratios.items())


def _means(dataset: str, labels: list[str]) -> str:
    means = sorted(load.class_means(dataset), key=lambda mean: labels.index(mean.label))
    cells = []
    for mean in means[:6]:
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


def _intensity(dataset: str, index: pd.DataFrame, labels: list[str]) -> go.Figure:
    from pipeline.data.table import OK

    values = load.histograms(dataset)
    readable = (index["status"] == OK).to_numpy()
    return intensity_figure(
        {label: values[readable & (index["label"] == label).to_numpy()] for label in labels},
        labels,
    )


def _sizes(readable: pd.DataFrame) -> pd.DataFrame:
    return readable.groupby(["width", "height", "label"]).size().rename("slices").reset_index()


def _kinds(readable: pd.DataFrame) -> pd.DataFrame:
    """Return slices by kind of file (rows) and label (columns)."""
    channels = readable["channels"].map(_CHANNELS).fillna("other")
    kind = (
        readable["format"].str.upper() + ", " + channels + ", " + readable["bit_depth"].astype("str") + " bit"
    )
    return pd.crosstab(kind, readable["label"])


def _channels_text(readable: pd.DataFrame) -> str:
    several = readable[readable["channels"] > 1]
    if several.empty:
        return "all have one channel"
    equal = several["channels_equal"].mean()
    return f"{len(several):,} have several channels, {equal:.0%} of them with equal ones"
