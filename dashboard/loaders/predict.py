"""What the Predict page reads: the model's answer for a slice of a data set, or for an upload.

Answers for slices of the workspace are shared between sessions. What somebody uploaded, and its answer, stay
in that session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.loaders import pictures
from dashboard.loaders.shared import stamp, workspace
from pipeline.data.slice_image import SliceImage
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.inference.prediction import Prediction
    from pipeline.runs import RunInfo

_SESSION = "predict.uploads"
_KEPT = 4  # uploads a session remembers


def has_engine(run: RunInfo) -> bool:
    """Return whether a run can be asked."""
    return (run.artifacts / "engine" / "engine.json").is_file()


def of_slice(run: RunInfo, dataset: str, slice_id: str) -> Prediction:
    """Return what a run says of a slice of a data set; the last ones are kept.

    Raises:
        EngineMissingError, EngineDamagedError, RecipeGoneError, SliceError: there is no answer, and why.
    """
    row: dict[str, Any] = dict(pictures.index_of(dataset).loc[slice_id])
    patient_id = row["patient_id"] if isinstance(row["patient_id"], str) else None
    changed = (_engine_stamp(run), int(row["mtime_ns"]))
    return _of_slice(str(workspace().root), run.id, changed, dataset, slice_id, patient_id)


def of_upload(run: RunInfo, image: SliceImage, *, digest: str) -> Prediction:
    """Return what a run says of an uploaded slice; `digest` names the file and frame."""
    kept: dict[tuple[str, float, str], Prediction] = st.session_state.setdefault(_SESSION, {})
    key = (run.id, _engine_stamp(run), digest)
    if key not in kept:
        kept[key] = _predict(run, image, patient_id=None)
        for oldest in list(kept)[:-_KEPT]:
            del kept[oldest]
    return kept[key]


def _engine_stamp(run: RunInfo) -> float:
    return stamp(run.artifacts / "engine" / "engine.json")


@st.cache_resource(show_spinner=False, max_entries=24)
def _of_slice(
    root: str, run_id: str, changed: tuple[float, int], dataset: str, slice_id: str, patient_id: str | None
) -> Prediction:
    run = RunStore(Workspace.open(root)).find(run_id)
    return _predict(run, pictures.slice_image(dataset, slice_id), patient_id=patient_id)


def _predict(run: RunInfo, image: SliceImage, *, patient_id: str | None) -> Prediction:
    from pipeline.inference.engine import Engine
    from pipeline.inference.predict import predict_slice
    from pipeline.inference.seen import SeenSlices

    seen = SeenSlices.load(run.artifacts)
    return predict_slice(Engine.load(run), image, seen=seen, patient_id=patient_id)
