"""The answer as a DICOM Structured Report (TID 1500): unverified, preliminary, marked as research."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from pipeline.data.statistics import content_hash
from pipeline.explanation.report_card import ReportCard
from pipeline.handing_on.capture import OVERRIDDEN, SERIES_NUMBER
from pipeline.handing_on.map_verdict import MapVerdict, map_verdict
from pipeline.handing_on.panels import MAP_LIMITS
from pipeline.handing_on.study import SourceFile, Study, derived_uid
from pipeline.handing_on.versions import hilum_version
from pipeline.inference.prediction import Prediction
from pipeline.inference.seen import SENTENCES
from pipeline.inference.wording import (
    answer_words,
    distance_words,
    doubts,
    picture_notes,
    score_kind,
    score_notes,
    shown_labels,
)
from pipeline.notice import NOTICE, SYNTHETIC
from pipeline.runs import RunInfo

SCHEME = "99HILUM"  # a private coding scheme: what a model says has no code of the profession's
NOT_CLINICAL = "Not for clinical use: made by a model under research and not verified by a reader."


def make_report(
    prediction: Prediction, run: RunInfo, study: Study, capture: Any, *, card: ReportCard | None = None
) -> Any:
    """Return the Structured Report as a pydicom data set; it shows `capture` and belongs to its study.

    Args:
        card: how far the map of `capture` can be trusted; None where it was not checked.
    """
    from highdicom import sr
    from pydicom.uid import generate_uid

    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(prediction, run)),
        procedure_reported=sr.CodedConcept("169069000", "SCT", "CT of chest"),
        imaging_measurements=[_group(prediction, run, study, capture, map_verdict(prediction, card))],
    )
    return sr.ComprehensiveSR(
        evidence=[capture, *([_source(study.uid, study.source)] if study.source is not None else [])],
        content=content,
        series_instance_uid=generate_uid(prefix=None),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer="Hilum",
        manufacturer_model_name=prediction.engine.facts.architecture[:64],
        software_versions=hilum_version(),
        series_description=f"Answer of a model - {NOTICE}"[:64],
        content_qualification="RESEARCH",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )


def _observer(prediction: Prediction, run: RunInfo) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    digest = prediction.engine.facts.sha256["model.bin"]
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("model", digest),
            name="Hilum",
            manufacturer_name="Hilum",
            model_name=f"{prediction.engine.facts.architecture}, run {run.name}",
            serial_number=digest,
        ),
    )


def _group(prediction: Prediction, run: RunInfo, study: Study, capture: Any, verdict: MapVerdict) -> Any:
    """Return what was measured: probabilities, the answer, its limits; texts for who reads it."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    facts = prediction.engine.facts
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identifier=f"Answer of {run.name}"),
        algorithm_id=sr.AlgorithmIdentification(
            name=facts.architecture,
            version=facts.sha256["model.bin"],
            parameters=[f"recipe {facts.recipe_hash}", f"Hilum {hilum_version()}"],
        ),
        measurements=[
            sr.Measurement(_score(prediction, label), prediction.probabilities[label], codes.UCUM.NoUnits)
            for label in shown_labels(prediction)
        ]
        or None,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(_code(name), _code(value))
            for name, value in _evaluations(prediction, run, verdict)
        ],
        source_images=[sr.SourceImageForMeasurementGroup(study.source.sop_class, study.source.instance)]
        if study.source is not None
        else None,
    )
    items = group[0].ContentSequence
    items.append(
        sr.ImageContentItem(
            name=codes.DCM.BestIllustrationOfFinding,
            referenced_sop_class_uid=capture.SOPClassUID,
            referenced_sop_instance_uid=capture.SOPInstanceUID,
            relationship_type="CONTAINS",
        )
    )
    for text in _texts(prediction, run, verdict):
        items.append(sr.TextContentItem(codes.DCM.Comment, text, relationship_type="CONTAINS"))
    return group


def _evaluations(prediction: Prediction, run: RunInfo, verdict: MapVerdict) -> Iterator[tuple[str, str]]:
    """Yield name and value of what is not a number."""
    yield "Use", NOTICE
    if run.synthetic or prediction.synthetic:
        yield "Task", SYNTHETIC
    yield "Check of the input", "passed" if prediction.status == "ok" else OVERRIDDEN
    yield "Answer of the model", answer_words(prediction)
    kind = score_kind(prediction)
    yield "Scores are", "calibrated probabilities" if kind == "probability" else "uncalibrated"
    if not prediction.withheld and prediction.status == "ok":
        for label in prediction.conformal.labels or ():
            yield "Cannot be excluded", label
    yield "Check of the map", verdict.said


def _texts(prediction: Prediction, run: RunInfo, verdict: MapVerdict) -> Iterator[str]:
    yield f"{NOTICE}. {NOT_CLINICAL}"
    if run.synthetic or prediction.synthetic:
        yield f"{SYNTHETIC}: the model learned from phantoms."
    yield from filter(None, [prediction.reason, *score_notes(prediction), *picture_notes(prediction)])
    for doubt in doubts(prediction):
        yield f"{doubt.title}: {doubt.said} {doubt.note}".strip()
    yield f"{distance_words(prediction)}."
    yield SENTENCES[prediction.seen]
    yield " ".join(filter(None, ["Check of the map:", *verdict]))
    yield MAP_LIMITS
    facts = prediction.engine.facts
    yield (
        f"Run {run.name} ({run.id}), weights sha256 {facts.sha256['model.bin']}, recipe "
        f"{prediction.engine.recipe.name} {facts.recipe_hash}, pixels of the slice "
        f"{content_hash(prediction.image.image)}."
    )


def _score(prediction: Prediction, label: str) -> Any:
    return _code(f"{score_kind(prediction).capitalize()} of {label}")


def _code(meaning: str) -> Any:
    """Return a private code for a few words: told by the words, as no registry knows them."""
    from highdicom import sr

    value = hashlib.sha256(meaning.encode()).hexdigest()[:12]
    return sr.CodedConcept(value, SCHEME, meaning[:64])


def _source(study_uid: str, source: SourceFile) -> Any:
    """Return as much of the slice's own file as a reference takes."""
    from pydicom.dataset import Dataset

    found = Dataset()
    found.StudyInstanceUID = study_uid
    found.SOPClassUID, found.SeriesInstanceUID, found.SOPInstanceUID = source
    return found
