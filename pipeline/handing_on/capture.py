"""The slice with its map as a DICOM Secondary Capture: a picture for the archive, its notice burned in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from pipeline.data.slice_image import SliceImage
from pipeline.handing_on.canvas import PictureCanvas, shortened
from pipeline.handing_on.panels import Pictures, draw_fitted, draw_scale, make_pictures
from pipeline.handing_on.study import SourceFile, Study
from pipeline.handing_on.versions import hilum_version
from pipeline.inference.prediction import Prediction, score_text
from pipeline.inference.wording import has_answer, score_kind, shown_labels
from pipeline.notice import NOTICE, SYNTHETIC
from pipeline.runs import RunInfo

SERIES_NUMBER = 9001  # far from a scanner's own
_LONGEST = 10_000  # characters of a comment (LT: 10,240)
OVERRIDDEN = "Refused, shown at a reader's wish"
_SIDE, _FOOT, _MARGIN = 1024.0, 150.0, 24.0
_INK, _MUTED, _NOTICE = "#e4e9f0", "#98a3b3", "#ffd27a"


def draw_capture(prediction: Prediction, run: RunInfo, pictures: Pictures) -> np.ndarray:
    """Draw the map over the slice with its scale, the score and the notice, uint8 (1174, 1024, 3)."""
    canvas = PictureCanvas((_SIDE, _SIDE + _FOOT), scale=1.0, color="#000000")
    draw_fitted(canvas, pictures.heated, x=0, y=0, width=_SIDE, height=_SIDE)
    y, right = _SIDE + 26, _SIDE - _MARGIN
    title = shortened(canvas, _title(prediction, pictures.label), size=17, width=0.68 * _SIDE, bold=True)
    canvas.text(_MARGIN, y, title, size=17, color=_INK, bold=True)
    if run.synthetic or prediction.synthetic:
        canvas.text(right, y, SYNTHETIC, size=17, color=_NOTICE, bold=True, align="right")
    y += 12
    if has_answer(prediction):
        y = draw_scale(canvas, pictures, x=_MARGIN, y=y, width=_SIDE - 2 * _MARGIN, size=13, color=_MUTED)
    canvas.text(_MARGIN, y + 22, NOTICE, size=17, color=_NOTICE, bold=True)
    facts = prediction.engine.facts
    made = f"{facts.architecture}, weights {facts.sha256['model.bin'][:12]}, recipe {facts.recipe_hash[:12]}"
    canvas.text(right, y + 22, f"Hilum {hilum_version()}: {made}", size=12, color=_MUTED, align="right")
    return canvas.array()


def _title(prediction: Prediction, label: str) -> str:
    if not has_answer(prediction):
        return "No answer and no map: too little lung is in view"
    refused = prediction.status != "ok"
    return f"{OVERRIDDEN}: {_score(prediction, label)}" if refused else _score(prediction, label)


def _score(prediction: Prediction, label: str) -> str:
    if label not in shown_labels(prediction):
        return f"{label}: no probability is shown"
    return f"{label}: {score_kind(prediction)} {score_text(prediction.probabilities[label])}"


def make_capture(
    prediction: Prediction, run: RunInfo, study: Study, *, made: datetime, label: str | None = None
) -> Any:
    """Return the Secondary Capture as a pydicom data set, with patient and study of `study`.

    Args:
        made: when, with its time zone.
        label: whose map is shown; the answer's where it is None.
    """
    from highdicom.sc import SCImage
    from pydicom.uid import generate_uid

    pictures = make_pictures(prediction, label)
    orientation = patient_orientation(prediction.image)
    capture = SCImage(
        pixel_array=draw_capture(prediction, run, pictures),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=orientation or ("L", "P"),
        study_instance_uid=study.uid,
        series_instance_uid=generate_uid(prefix=None),
        series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer="Hilum",
        manufacturer_model_name=prediction.engine.facts.architecture[:64],
        software_versions=hilum_version(),
        series_description=f"Map of a model - {NOTICE}"[:64],
        content_qualification="RESEARCH",
        specific_character_set="ISO_IR 192",
    )
    if orientation is None:
        capture.PatientOrientation = None  # unknown is said, not guessed; SCImage asks for one
    capture.ConversionType = "WSD"  # drawn on a workstation
    capture.DateOfSecondaryCapture, capture.TimeOfSecondaryCapture = (
        made.strftime("%Y%m%d"),
        made.strftime("%H%M%S"),
    )
    done = f"What speaks for {pictures.label}, laid over the slice by a model."
    if not has_answer(prediction):
        done = "The slice alone: a model found too little lung in it to answer."
    capture.DerivationDescription = f"{done} {NOTICE}. Not verified."
    said = [NOTICE, *([SYNTHETIC] if run.synthetic or prediction.synthetic else [])]
    said += [f"{OVERRIDDEN}: {prediction.reason.rstrip('.')}"] if prediction.status != "ok" else []
    capture.ImageComments = ". ".join(said)[:_LONGEST] + "."
    if study.burned_in:
        capture.BurnedInAnnotation = study.burned_in
    if study.source is not None:
        capture.SourceImageSequence = [_reference(study.source)]
    return capture


def patient_orientation(image: SliceImage) -> tuple[str, str] | None:
    """Return where a slice's rows and columns lead, as (`L`, `P`); None where it is not known."""
    told = image.header.image_orientation if image.header is not None else None
    if image.format != "dicom" or told is None:
        return None
    along = np.array([float(number) for number in told.split()]).reshape(2, 3)
    row, column = (_letter(direction) for direction in along)
    return row, column


def _letter(direction: np.ndarray) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "FH")[axis][int(direction[axis] > 0)]


def _reference(source: SourceFile) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.sop_class, source.instance
    return item
