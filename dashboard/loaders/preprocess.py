"""What the Preprocess page reads: slices by id, a mixed sample of them, and what a recipe makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.loaders import pictures
from pipeline.data.slice_image import SliceError, SliceImage
from pipeline.preprocessing.recipe import Recipe

if TYPE_CHECKING:
    from pipeline.preprocessing.apply import Preprocessed


def readable(dataset: str) -> pd.DataFrame:
    """Return the rows of a data set's index that can be read, by slice id, in the order of their paths."""
    index = pictures.index_of(dataset)
    return index[index["status"] == "ok"].sort_values(["path", "frame"], kind="stable")


def preprocessed(dataset: str, slice_id: str, recipe: Recipe) -> Preprocessed:
    """Return every stage of a slice; the last ones are kept.

    Raises:
        SliceError: its file cannot be read any more.
    """
    found = pictures.slice_image(dataset, slice_id)
    return _preprocessed(dataset, slice_id, recipe.hash, found, recipe)


@st.cache_resource(show_spinner=False, max_entries=64)
def _preprocessed(
    dataset: str, slice_id: str, recipe_hash: str, _found: SliceImage, _recipe: Recipe
) -> Preprocessed:
    from pipeline.preprocessing.apply import preprocess_slice

    spacing = _found.header.pixel_spacing if _found.header else None
    return preprocess_slice(_found.image, intensity=_found.intensity, recipe=_recipe, pixel_spacing=spacing)


def histogram(dataset: str, slice_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return counts (n,) and edges (n + 1,) of a slice's values, HU between air and bone or grey levels."""
    found = pictures.slice_image(dataset, slice_id)
    edges = (
        np.linspace(-1100, 900, 161) if found.intensity == "hu" else np.arange(0, 257, 2, dtype=np.float64)
    )
    counts, _ = np.histogram(found.image[::2, ::2], bins=edges)
    return counts * 4.0, edges


@st.cache_data(show_spinner=False, max_entries=8)
def sample_ids(dataset: str, ids: tuple[str, ...], *, count: int, seed: int) -> list[str]:
    """Return `count` slices of those given, at random, classes and sources in turn."""
    rows = readable(dataset).loc[list(ids)].sample(frac=1, random_state=seed)
    turn = rows.groupby(["label", "source"], dropna=False).cumcount()
    return [str(name) for name in rows.assign(turn=turn).sort_values("turn", kind="stable").index[:count]]


@st.cache_resource(show_spinner="Reading slices", max_entries=3)
def sample_images(dataset: str, ids: tuple[str, ...]) -> list[tuple[str, SliceImage]]:
    """Return those of the slices that can still be read."""
    found = []
    for slice_id in ids:
        try:
            found.append((slice_id, pictures.slice_image(dataset, slice_id)))
        except SliceError:
            continue  # its row says why; the sample shows the others
    return found
