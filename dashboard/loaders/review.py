"""What the Review page reads: the readings, worklists, and the model's opinion of one slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.loaders import pictures
from dashboard.loaders.shared import datasets, workspace
from pipeline.review.database import reviews_url
from pipeline.review.readings import load_readings
from pipeline.review.store import ReviewStore
from pipeline.review.worklist import excluded_slices, reading_slices
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction
    from pipeline.runs import RunInfo


def store() -> ReviewStore:
    """Return the readings of this workspace, or of the server that HILUM_REVIEWS_URL names."""
    return ReviewStore(reviews_url(workspace()))


def readings(run: RunInfo, reader: str | None = None) -> pd.DataFrame:
    """Return the readings of a run, of one reader or all; never from a cache, since other tabs write too."""
    return load_readings(store(), reader=reader, run=run.id)


def slices(run: RunInfo) -> pd.DataFrame:
    """Return the test slices of a run that are still in the workspace: `slice_id`, `group`."""
    table = _slices(str(workspace().root), run.id)
    dataset = run.params.get("dataset")
    here = [pictures.has_slice(dataset, slice_id) for slice_id in table["slice_id"]]
    return table[here].reset_index(drop=True)


def groups(run: RunInfo) -> dict[str, str]:
    """Return the group of each test slice of a run: its patient, or a cluster of slices alike."""
    table = _slices(str(workspace().root), run.id)
    return dict(zip(table["slice_id"].astype(str), table["group"].astype(str), strict=True))


def excluded(run: RunInfo) -> frozenset[str]:
    """Return the slices that were excluded from a run's data set."""
    return excluded_slices(workspace(), run)


def is_synthetic(run: RunInfo) -> bool:
    """Return whether the slices of a run's data set were made by the phantom generator."""
    return any(info.synthetic for info in datasets() if info.name == run.params.get("dataset"))


def reference(dataset: str) -> dict[str, str]:
    """Return the reference label of each slice of a data set."""
    labels = pictures.index_of(dataset)["label"].dropna()
    return {str(slice_id): str(label) for slice_id, label in labels.items()}


def opinion(run: RunInfo, slice_id: str) -> Prediction:
    """Return what the run's model says of a slice of its data set; the last few are kept.

    Raises:
        EngineMissingError, EngineDamagedError, RecipeGoneError, SliceError: there is none to be had.
    """
    return _opinion(str(workspace().root), run.id, str(run.params.get("dataset")), slice_id)


@st.cache_data(show_spinner=False, max_entries=16)
def _slices(root: str, run_id: str) -> pd.DataFrame:
    return reading_slices(RunStore(Workspace.open(root)).find(run_id))


@st.cache_resource(show_spinner=False, max_entries=16)
def _opinion(root: str, run_id: str, dataset: str, slice_id: str) -> Prediction:
    from pipeline.inference.engine import Engine
    from pipeline.inference.predict import predict_slice
    from pipeline.inference.seen import SeenSlices

    run = RunStore(Workspace.open(root)).find(run_id)
    seen = SeenSlices.load(run.artifacts)
    return predict_slice(Engine.load(run), pictures.slice_image(dataset, slice_id), seen=seen)
