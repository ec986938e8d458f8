"""Slices of a data set as pictures, by slice id: whole, or small for a gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd
import streamlit as st

from dashboard.loaders.shared import stamp, workspace
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.data.slice_image import SliceImage


class Placement(TypedDict):
    """What a viewer's panel is told of a slice's place in the body."""

    spacing: float | None
    marks: tuple[str, str, str, str] | None


def index_of(dataset: str) -> pd.DataFrame:
    """Return the data set's index with `slice_id` as its index; it must not be changed."""
    return _index(str(workspace().root), dataset, stamp(workspace().dataset_dir(dataset) / "index.parquet"))


def has_slice(dataset: str | None, slice_id: str) -> bool:
    """Return whether a data set is here and has this slice."""
    if not dataset or not (workspace().dataset_dir(dataset) / "dataset.json").is_file():
        return False
    return slice_id in index_of(dataset).index


def slice_image(dataset: str, slice_id: str) -> SliceImage:
    """Read a slice of a data set.

    Raises:
        SliceError: its file cannot be read any more.
    """
    return _slice(str(workspace().root), dataset, *place(dataset, slice_id))


def placement(picture: SliceImage) -> Placement:
    """Return a slice's pixel spacing (mm) and the sides of the body at its edges, None where unknown."""
    from pipeline.data.orientation import edge_marks

    header = picture.header
    if header is None:
        return {"spacing": None, "marks": None}
    directions = [float(number) for number in (header.image_orientation or "").split()]
    return {"spacing": header.pixel_spacing, "marks": edge_marks(directions)}


def thumbnail(dataset: str, slice_id: str) -> bytes | None:
    """Return a slice as a small JPEG, None where its file cannot be read any more."""
    row: dict[str, Any] = dict(index_of(dataset).loc[slice_id])
    facts = {name: row[name] for name in ("path", "frame", "status", "content_hash")} | {"slice_id": slice_id}
    return _thumbnail(str(workspace().root), dataset, facts)


def thumbnails(dataset: str, rows: pd.DataFrame) -> list[bytes | None]:
    """Return rows of an index as small JPEGs; those that are not kept yet are made side by side."""
    from pipeline.data.thumbnails import load_thumbnails

    names = ["path", "frame", "status", "content_hash", "slice_id"]
    return load_thumbnails(workspace(), dataset, rows[names].to_dict("records"))


def place(dataset: str, slice_id: str) -> tuple[str, int, int]:
    """Return a slice's path, frame and time of change: another time is another picture."""
    index = index_of(dataset)  # only three of its many columns are asked
    row: dict[str, Any] = {name: index.at[slice_id, name] for name in ("path", "frame", "mtime_ns")}
    return str(row["path"]), int(row["frame"]), int(row["mtime_ns"])


@st.cache_resource(show_spinner=False, max_entries=4)  # not copied for each picture
def _index(root: str, dataset: str, mark: float) -> pd.DataFrame:
    from pipeline.data.datasets import load_index

    return load_index(Workspace.open(root), dataset).set_index("slice_id")


@st.cache_resource(show_spinner=False, max_entries=24)
def _slice(root: str, dataset: str, path: str, frame: int, mtime_ns: int) -> SliceImage:
    from pipeline.data.reading import load_slice

    return load_slice(Workspace.open(root), dataset, {"path": path, "frame": frame})


@st.cache_data(show_spinner=False, max_entries=3000)
def _thumbnail(root: str, dataset: str, facts: dict[str, Any]) -> bytes | None:
    from pipeline.data.thumbnails import load_thumbnail

    return load_thumbnail(Workspace.open(root), dataset, facts)
