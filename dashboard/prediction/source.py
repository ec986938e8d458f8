"""Which slice is asked about: one of a data set, or a file that the user brings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePath

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import loaders, widgets
from dashboard.loaders import pictures
from dashboard.loaders import predict as read
from dashboard.loaders.preprocess import readable
from dashboard.prediction.averaging import chosen_averaging
from dashboard.preprocess.choosing import draw_slice_choice
from pipeline.data.labels import order_labels
from pipeline.data.slice_image import SliceImage
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo

SLICE, SERIES, FOLDER = "One slice", "A series", "A whole folder"
KINDS = (SLICE, SERIES, FOLDER)
DATASET, UPLOAD = "A slice of the data set", "A file of mine"


@dataclass(frozen=True)
class Asked:
    """A slice and the model's answer.

    `name` is for people, `subject` tells slices apart, `slice_id` is None for an upload, `file` is where a
    slice of an uploaded series lies while the session looks at it.
    """

    name: str
    subject: str
    prediction: Prediction
    slice_id: str | None = None
    file: Path | None = None


def draw_kind() -> str:
    """Draw the choice between one slice, a series and a folder, and return it."""
    kind: str = st.segmented_control(
        "What", KINDS, default=SLICE, required=True, key="predict.kind", label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return kind


def draw_source(run: RunInfo, dataset: str | None, row: DeltaGenerator) -> Asked | None:
    """Draw the choice of slice in `row` and return it with the answer; None while there is none.

    Raises:
        SliceError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is no answer, and why.
    """
    origin = DATASET if dataset is not None else UPLOAD
    with row:
        if dataset is not None:
            origin = st.segmented_control(
                "Slice from", [DATASET, UPLOAD], default=DATASET, required=True, key="predict.origin",
                label_visibility="collapsed", persist_state="session",
            )  # fmt: skip
        if origin == DATASET and dataset is not None:
            return _from_dataset(run, dataset)
        file = st.file_uploader("A slice of yours", key="predict.file", label_visibility="collapsed")
    if file is None:
        widgets.empty_state(
            "A slice of your own",
            "PNG, JPEG, TIFF, BMP, DICOM or NIfTI. The file stays on this machine, is never stored, and is "
            "forgotten with this session. Whether it is a chest CT slice at all is looked at first.",
            key="predict-upload",
        )
        return None
    return _from_upload(run, file.name, file.getvalue())


def _from_dataset(run: RunInfo, dataset: str) -> Asked | None:
    rows = readable(dataset)
    if rows.empty:
        widgets.callout("No slice of this data set can be read: see Explore for the reasons.", tone="warn")
        return None
    slice_id, _ = draw_slice_choice(dataset, rows, order_labels(rows["label"].dropna().unique()))
    name = str(pictures.index_of(dataset).loc[slice_id, "path"])
    prediction = read.of_slice(run, dataset, slice_id, chosen_averaging(run))
    return Asked(name, f"{dataset}/{slice_id}", prediction, slice_id)


def _from_upload(run: RunInfo, file_name: str, data: bytes) -> Asked:
    digest = hashlib.sha256(data).hexdigest()
    first = _image(data, digest, 0)
    frame = 0
    if first.frames > 1:
        frame = st.slider("Frame", 1, first.frames, key=f"predict.frame.{digest[:8]}") - 1
    image = first if frame == 0 else _image(data, digest, frame)
    prediction = read.of_upload(run, image, digest=f"{digest}/{frame}", averaged=chosen_averaging(run))
    name = PurePath(file_name).name + (f", frame {frame + 1}" if first.frames > 1 else "")
    return Asked(name, f"{digest}/{frame}", prediction)


def _image(data: bytes, digest: str, frame: int) -> SliceImage:
    """Read a frame of the upload, once a session while it is looked at."""
    from pipeline.data.reading import read_slice_bytes

    kept = st.session_state.get("predict.image")
    if kept is None or kept[0] != (digest, frame):
        image = read_slice_bytes(data, frame=frame, key=loaders.workspace().pseudonym_key())
        kept = st.session_state["predict.image"] = ((digest, frame), image)
    found: SliceImage = kept[1]
    return found
