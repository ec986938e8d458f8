"""What the Train page reads: splits, recipes, curves, logs, and slices for the preview of augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.loaders.shared import stamp, workspace
from pipeline.workspace import Workspace

LOG_BYTES = 64_000  # read from the end of a log


def recipes() -> list[str]:
    """Return the presets, then the saved recipes."""
    from pipeline.preprocessing.recipe import PRESETS, list_recipes

    saved = [name for name in list_recipes(workspace().recipes) if name not in PRESETS]
    return [*PRESETS, *saved]


def default_recipe() -> str:
    """Return the recipe that a new training begins with."""
    from pipeline.preprocessing import default_recipe as module

    return module.default_recipe(workspace().recipes)


def split_names(dataset: str) -> list[str]:
    """Return the splits of a data set, newest first."""
    from pipeline.data.splits import list_splits

    return [split.name for split in list_splits(workspace(), dataset)]


def split_counts(dataset: str, name: str) -> dict[str, Any]:
    """Return the contract of `split --json`: each part with its slices, patients, groups and labels."""
    return _split_counts(str(workspace().root), dataset, name)


@st.cache_data(show_spinner=False, max_entries=64)
def _split_counts(root: str, dataset: str, name: str) -> dict[str, Any]:
    from pipeline.data.splits import load_split

    return load_split(Workspace.open(root), dataset, name).to_json()  # frozen: never another under this name


def log_tail(path: Path, *, lines: int = 200) -> str:
    """Return the last lines of a log, empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def preview_slices(dataset: str, recipe: str, *, count: int) -> list[tuple[str, np.ndarray]]:
    """Return some slices of a data set, prepared: label and uint8 (size, size[, 3]); classes in turn.

    Raises:
        HilumError: no such data set or recipe.
    """
    index = workspace().dataset_dir(dataset) / "index.parquet"
    saved = workspace().recipes / f"{recipe}.json"
    return _preview(str(workspace().root), dataset, recipe, count, (stamp(index), stamp(saved)))


@st.cache_data(show_spinner=False, max_entries=8)
def _preview(
    root: str, dataset: str, recipe: str, count: int, stamps: tuple[float, float]
) -> list[tuple[str, np.ndarray]]:
    from pipeline.data.datasets import load_index
    from pipeline.data.reading import load_slice
    from pipeline.data.slice_image import SliceError
    from pipeline.preprocessing.apply import preprocess_output
    from pipeline.preprocessing.recipe import load_recipe

    opened = Workspace.open(root)
    chosen = load_recipe(recipe, opened.recipes)
    found = []
    for row in _of_classes_in_turn(load_index(opened, dataset), count * 2):
        try:
            read = load_slice(opened, dataset, row)
        except SliceError:
            continue  # the Explore page says why; the preview shows others
        image = preprocess_output(read.image, intensity=read.intensity, recipe=chosen)
        found.append((str(row["label"]), image))
        if len(found) == count:
            break
    return found


def _of_classes_in_turn(index: pd.DataFrame, count: int) -> Sequence[pd.Series]:
    usable = index[(index["status"] == "ok") & index["label"].notna()]
    shuffled = usable.sample(frac=1, random_state=0)
    turns = shuffled.groupby("label").cumcount()
    return [
        row
        for _, row in shuffled.assign(turn=turns).sort_values("turn", kind="stable").head(count).iterrows()
    ]
