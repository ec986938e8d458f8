"""What the Split tab reads beside the index: a split before it is frozen. Shared: it must not be changed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.loaders.shared import stamp, workspace
from pipeline.workspace import Workspace


def preview_split(
    dataset: str, *, group_by: str, folds: int | None, seed: int, test_on: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table and the notes of a split that is not made yet.

    Raises:
        HilumError: it cannot be made; the message says why.
    """
    folder = workspace().dataset_dir(dataset)
    marks = tuple(stamp(folder / name) for name in ("index.parquet", "decisions.jsonl"))
    return _preview(
        str(workspace().root), dataset, marks, group_by=group_by, folds=folds, seed=seed, test_on=test_on
    )


@st.cache_resource(show_spinner=False, max_entries=16)
def _preview(
    root: str,
    dataset: str,
    marks: tuple[float, ...],
    *,
    group_by: str,
    folds: int | None,
    seed: int,
    test_on: str | None,
) -> tuple[pd.DataFrame, list[str]]:
    from pipeline.data.splits import preview_split as preview

    return preview(Workspace.open(root), dataset, group_by=group_by, folds=folds, seed=seed, test_on=test_on)
