"""What the Predict page reads: the model's answer for a slice of a data set, or for an upload.

Answers for slices of the workspace are shared between sessions. What somebody uploaded, and its answer, stay
in that session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.loaders import pictures
from dashboard.loaders.shared import stamp, workspace
from pipeline.data.inputs import InputSlice
from pipeline.data.slice_image import SliceImage
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction
    from pipeline.runs import RunInfo

_SESSION = "predict.uploads"
Averaged = tuple[int, tuple[str, ...]]
"""Views of the slice, and the ids of further runs, that an answer is averaged over."""
PLAIN: Averaged = (1, ())
_FILES = ("engine/engine.json", "calibration.json", "reference.npz")
_KEPT = 4  # uploads a session remembers


def has_engine(run: RunInfo) -> bool:
    """Return whether a run can be asked."""
    return (run.artifacts / "engine" / "engine.json").is_file()


def of_slice(run: RunInfo, dataset: str, slice_id: str, averaged: Averaged = PLAIN) -> Prediction:
    """Return what a run says of a slice of a data set; the last ones are kept.

    Raises:
        EngineMissingError, EngineDamagedError, RecipeGoneError, SliceError: there is no answer, and why.
    """
    row: dict[str, Any] = dict(pictures.index_of(dataset).loc[slice_id])
    patient_id = row["patient_id"] if isinstance(row["patient_id"], str) else None
    changed = (engine_stamp(run), int(row["mtime_ns"]))
    return _of_slice(str(workspace().root), run.id, changed, dataset, slice_id, patient_id, averaged)


def of_upload(run: RunInfo, image: SliceImage, *, digest: str, averaged: Averaged = PLAIN) -> Prediction:
    """Return what a run says of an uploaded slice; `digest` names the file and frame."""
    kept: dict[tuple[str, float, str, Averaged], Prediction] = st.session_state.setdefault(_SESSION, {})
    key = (run.id, engine_stamp(run), digest, averaged)
    if key not in kept:
        kept[key] = _predict(run, image, patient_id=None, averaged=averaged)
        for oldest in list(kept)[:-_KEPT]:
            del kept[oldest]
    return kept[key]


def of_file(run: RunInfo, source: InputSlice, *, digest: str, averaged: Averaged = PLAIN) -> Prediction:
    """Return what a run says of a slice of an uploaded series; `digest` names it. See `of_upload`."""
    from pipeline.data.reading import read_slice

    image = read_slice(source.path, frame=source.frame, key=workspace().pseudonym_key())
    return of_upload(run, image, digest=digest, averaged=averaged)


def classes_of(run: RunInfo) -> list[str]:
    """Return a run's class names, in the order of its outputs."""
    from pipeline.inference.engine import Engine

    return list(Engine.load(run).classes)


def engine_stamp(run: RunInfo) -> float:
    """Return when the engine, or what was fitted to it, was last written."""
    return max(stamp(run.artifacts / name) for name in _FILES)


@st.cache_resource(show_spinner=False, max_entries=24)
def _of_slice(
    root: str,
    run_id: str,
    changed: tuple[float, int],
    dataset: str,
    slice_id: str,
    patient_id: str | None,
    averaged: Averaged,
) -> Prediction:
    run = RunStore(Workspace.open(root)).find(run_id)
    image = pictures.slice_image(dataset, slice_id)
    return _predict(run, image, patient_id=patient_id, averaged=averaged)


def _predict(
    run: RunInfo, image: SliceImage, *, patient_id: str | None, averaged: Averaged = PLAIN
) -> Prediction:
    from pipeline.inference.averaging import make_averaging
    from pipeline.inference.engine import Engine
    from pipeline.inference.predict import predict_slice
    from pipeline.inference.seen import SeenSlices

    seen = SeenSlices.load(run.artifacts)
    averaging = make_averaging(workspace(), run, views=averaged[0], ensemble=averaged[1])
    return predict_slice(Engine.load(run), image, seen=seen, patient_id=patient_id, averaging=averaging)
