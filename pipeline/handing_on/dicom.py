"""An answer as two DICOM files: the picture, and the report that refers to it; unverified, for research."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pipeline.errors import HilumError
from pipeline.explanation.report_card import ReportCard
from pipeline.handing_on.capture import make_capture
from pipeline.handing_on.report import make_report
from pipeline.handing_on.study import Study, kept_study, own_study
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo


class NoAnswerError(HilumError):
    """A refused slice has no answer to hand on."""


class DicomFiles(NamedTuple):
    """Two files' bytes: Secondary Capture and Structured Report."""

    capture: bytes
    report: bytes


def make_dicom(
    prediction: Prediction,
    run: RunInfo,
    *,
    made: datetime,
    identity: Mapping[str, str] | None = None,
    label: str | None = None,
    overridden: bool = False,
    card: ReportCard | None = None,
) -> DicomFiles:
    """Return an answer as DICOM.

    Args:
        made: when, with its time zone.
        identity: the slice's own identifiers (`read_identity`), for the hospital's own copy; without them
            new UIDs, and the workspace's pseudonym where the slice has one. No patient is made up.
        label: whose map is shown; the answer's where it is None.
        overridden: whether somebody asked for a refused slice's answer all the same.
        card: how far that map can be trusted; None where it was not checked.

    Raises:
        NoAnswerError: the slice was refused.
        NoStudyError: identifiers are to be kept, and there are none.
    """
    if prediction.status != "ok" and not overridden:
        raise NoAnswerError(f"There is no answer to hand on as DICOM: {prediction.reason}")
    study = kept_study(identity) if identity is not None else own_study(prediction.image)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a hospital's own names and UIDs may be odd; they are kept as they are
        capture = make_capture(prediction, run, study, made=made, label=label)
        report = make_report(prediction, run, study, capture, card=card)
        for dataset in (capture, report):
            _name(dataset, study)
        return DicomFiles(_bytes(capture), _bytes(report))


def zipped(files: DicomFiles, stem: str) -> bytes:
    """Return both files in one ZIP archive, named after the slice."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{stem}-map.dcm", files.capture)
        archive.writestr(f"{stem}-report.dcm", files.report)
    return written.getvalue()


def _name(dataset: Any, study: Study) -> None:
    """Write whose it is."""
    for keyword, value in study.elements.items():
        setattr(dataset, keyword, value)
    if study.deidentified:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Hilum: new UIDs, keyed pseudonym; pixels not searched for text"


def _bytes(dataset: Any) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
