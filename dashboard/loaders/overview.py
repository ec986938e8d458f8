"""What the Overview and Slices tabs of Explore draw: small tables, whatever the data set's size."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.loaders import explore as load
from dashboard.loaders.shared import stamp, workspace
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from pipeline.data.overview import Bands, LungProfile
    from pipeline.data.slice_map import SliceMap
    from pipeline.data.thumbnails import ClassMean


def labels(dataset: str) -> list[str]:
    """Return the classes in their order."""
    from pipeline.data.labels import order_labels

    return order_labels(choices(dataset, "label"))


def choices(dataset: str, column: str) -> list[str]:
    """Return the values of a column of the index, sorted; the unknown left out."""
    return _choices(*_marks(dataset), column)


def statistics(dataset: str) -> list[str]:
    """Return the titles of the statistics that slices of this data set can be sorted and drawn by."""
    return _statistics(*_marks(dataset))


def counts(dataset: str, column: str) -> pd.DataFrame:
    """Return readable slices by the values of a column (rows) and label (columns)."""
    return _counts(*_marks(dataset), column)


def intensity(dataset: str) -> dict[str, Bands]:
    """Return the quartiles of the grey histograms of each class."""
    return _intensity(*_marks(dataset))


def lungs(dataset: str) -> LungProfile:
    """Return how much lung slices show along the body."""
    return _lungs(*_marks(dataset))


def class_means(dataset: str, on_progress: Callable[[int, int], None]) -> list[ClassMean]:
    """Return the average slice of each class; the first call for an index says how far it is."""
    from pipeline.data.thumbnails import average_classes

    kept = _kept_means(*_marks(dataset))
    if not kept:
        kept += average_classes(workspace(), dataset, load.index(dataset), on_progress=on_progress)
    return kept


def figure(dataset: str, name: str, build: Callable[[], go.Figure]) -> go.Figure:
    """Return the figure called `name`, built once for an index; it must not be changed."""
    return _figure(*_marks(dataset), name, build)


def slice_map(dataset: str) -> SliceMap:
    """Return the map of a data set."""
    return _slice_map(*_marks(dataset))


def values_of(dataset: str, title: str) -> NDArray[np.float64]:
    """Return a statistic or an axis of the map, a number a row of the index; not-a-number if unknown."""
    return _values(*_marks(dataset), title)


def _marks(dataset: str) -> tuple[str, str, float]:
    folder = workspace().dataset_dir(dataset)
    return str(workspace().root), dataset, stamp(folder / "index.parquet") + stamp(folder / "splits")


def _readable(dataset: str, columns: Collection[str]) -> pd.DataFrame:
    """Return readable rows, a label each; of a million rows no more columns than are needed."""
    from pipeline.data.table import OK, UNLABELLED

    index = load.index(dataset)
    rows = index.loc[(index["status"] == OK).to_numpy(bool), [name for name in index if name in columns]]
    return rows.assign(label=rows["label"].fillna(UNLABELLED))


@st.cache_resource(show_spinner=False, max_entries=24)
def _choices(root: str, dataset: str, mark: float, column: str) -> list[str]:
    values = load.index(dataset)[column].dropna().unique()
    return sorted(str(value) for value in values)


@st.cache_resource(show_spinner=False, max_entries=4)
def _statistics(root: str, dataset: str, mark: float) -> list[str]:
    from dashboard.exploring.selecting import statistics_of

    return statistics_of(load.index(dataset))


@st.cache_resource(show_spinner=False, max_entries=24)
def _counts(root: str, dataset: str, mark: float, column: str) -> pd.DataFrame:
    from pipeline.data.overview import count_by

    rows = _readable(dataset, {column, "label"})
    return count_by(rows[column], rows["label"])


@st.cache_resource(show_spinner=False, max_entries=4)
def _intensity(root: str, dataset: str, mark: float) -> dict[str, Bands]:
    from pipeline.data.overview import intensity_bands
    from pipeline.data.table import OK, UNLABELLED

    index = load.index(dataset)
    readable = (index["status"] == OK).to_numpy(bool)
    labelled = index["label"].fillna(UNLABELLED)[readable]
    return intensity_bands(load.histograms(dataset)[readable], labelled)


@st.cache_resource(show_spinner=False, max_entries=4)
def _lungs(root: str, dataset: str, mark: float) -> LungProfile:
    from pipeline.data.overview import PROFILED, lung_profile

    return lung_profile(_readable(dataset, PROFILED))


@st.cache_resource(show_spinner=False, max_entries=8)
def _kept_means(root: str, dataset: str, mark: float) -> list[Any]:
    """Return a list that `class_means` fills: what reports its progress cannot be cached itself."""
    return []


@st.cache_resource(show_spinner=False, max_entries=24)
def _figure(root: str, dataset: str, mark: float, name: str, _build: Callable[[], go.Figure]) -> go.Figure:
    return _build()


@st.cache_resource(show_spinner=False, max_entries=4)
def _slice_map(root: str, dataset: str, mark: float) -> SliceMap:
    from pipeline.data.slice_map import load_map

    return load_map(Workspace.open(root), dataset)


@st.cache_resource(show_spinner=False, max_entries=16)
def _values(root: str, dataset: str, mark: float, title: str) -> NDArray[np.float64]:
    from dashboard.exploring.selecting import MAP, MAP_UP, numbers

    index = load.index(dataset)
    if title not in (MAP, MAP_UP):
        return numbers(index, title)
    drawn = slice_map(dataset)
    values = np.full(len(index), np.nan)
    values[drawn.rows] = drawn.places[:, (MAP, MAP_UP).index(title)]
    return values
