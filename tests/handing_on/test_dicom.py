"""DICOM files: whose they are, what they say, and that others' tools read them."""

from __future__ import annotations

import copy
import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from pipeline.data.identity import read_identity
from pipeline.handing_on.capture import patient_orientation
from pipeline.handing_on.dicom import NoAnswerError, make_dicom
from pipeline.handing_on.map_verdict import NOT_CHECKED
from pipeline.handing_on.study import NoStudyError
from pipeline.notice import NOTICE
from tests import families
from tests.handing_on.conftest import CARD

MADE = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
IDENTIFIERS = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate")


def opened(files):
    """Return the capture and the report as pydicom reads them, every element parsed."""
    found = [pydicom.dcmread(io.BytesIO(data)) for data in files]
    for dataset in found:
        str(dataset)
    return found


def items(node):
    """Yield every content item below a report's node."""
    for item in node.get("ContentSequence", []):
        yield item
        yield from items(item)


def answered(prediction):
    """Return the answer as one that is not refused, whatever the small model's lungs say."""
    return replace(prediction, status="ok", reason="")


def test_a_picture_without_header_gets_no_patient(grey, run):
    capture, report = opened(make_dicom(answered(grey), run, made=MADE))
    assert (capture.SOPClassUID, report.SOPClassUID) == (SecondaryCaptureImageStorage, ComprehensiveSRStorage)
    for dataset in (capture, report):
        assert all(not dataset.get(name) for name in IDENTIFIERS)
        assert dataset.StudyInstanceUID.is_valid and "PatientIdentityRemoved" not in dataset
        assert NOTICE in dataset.SeriesDescription and dataset.ContentQualification == "RESEARCH"
    assert not capture.get("PatientOrientation") and "BurnedInAnnotation" not in capture
    assert NOTICE in capture.ImageComments and "Synthetic" not in capture.ImageComments


def test_the_report_is_unverified_and_refers_to_the_picture(grey, run):
    capture, report = opened(make_dicom(answered(grey), run, made=MADE))
    assert report.VerificationFlag == "UNVERIFIED" and report.PreliminaryFlag == "PRELIMINARY"
    assert report.StudyInstanceUID == capture.StudyInstanceUID
    assert report.SeriesInstanceUID != capture.SeriesInstanceUID
    found = list(items(report))
    texts = " ".join(item.TextValue for item in found if item.ValueType == "TEXT")
    assert NOTICE in texts and "Not for clinical use" in texts and grey.engine.recipe.hash in texts
    (image,) = [item for item in found if item.ValueType == "IMAGE"]
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == capture.SOPInstanceUID
    codes = {item.ConceptCodeSequence[0].CodeMeaning for item in found if item.ValueType == "CODE"}
    assert NOTICE in codes and grey.label in codes and "uncalibrated" in codes


def test_the_report_says_what_the_maps_report_card_said(grey, run):
    for card, verdict, told in (
        (CARD, CARD.sentence, CARD.because),
        (None, NOT_CHECKED, "was not found out"),
    ):
        _, report = opened(make_dicom(answered(grey), run, made=MADE, card=card))
        found = list(items(report))
        codes = {
            item.ConceptNameCodeSequence[0].CodeMeaning: item.ConceptCodeSequence[0].CodeMeaning
            for item in found
            if item.ValueType == "CODE"
        }
        assert codes["Check of the map"] == verdict
        assert told in " ".join(item.TextValue for item in found if item.ValueType == "TEXT")


def test_a_class_in_another_script_is_kept(grey, run):
    name = "肺炎"
    engine = copy.copy(grey.engine)
    classes = tuple(name if each == grey.label else each for each in engine.classes)
    engine.facts = engine.facts.model_copy(update={"classes": classes})
    scores = {name if key == grey.label else key: value for key, value in grey.probabilities.items()}
    other = replace(answered(grey), engine=engine, label=name, probabilities=scores, logits=scores)
    files = make_dicom(replace(other, model_label=name, little_lung=False), run, made=MADE)
    _, report = opened(files)
    assert name in {
        item.ConceptCodeSequence[0].CodeMeaning for item in items(report) if item.ValueType == "CODE"
    }


def test_scores_are_measured_and_called_what_they_are(grey, run):
    prediction = replace(answered(grey), little_lung=False)
    _, report = opened(make_dicom(prediction, run, made=MADE))
    scores = {
        item.ConceptNameCodeSequence[0].CodeMeaning: float(item.MeasuredValueSequence[0].NumericValue)
        for item in items(report)
        if item.ValueType == "NUM"
    }
    assert set(scores) == {f"Score (uncalibrated) of {name}" for name in families.CLASSES}
    for name, value in prediction.probabilities.items():
        assert scores[f"Score (uncalibrated) of {name}"] == pytest.approx(value, abs=1e-9)


def test_little_lung_measures_no_disease(grey, run):
    prediction = replace(answered(grey), little_lung=True, label="positive", model_label="positive")
    _, report = opened(make_dicom(prediction, run, made=MADE))
    capture, _ = opened(make_dicom(prediction, run, made=MADE))
    assert (
        "speaks for" not in capture.DerivationDescription
        and "too little lung" in capture.DerivationDescription
    )
    assert not [item for item in items(report) if item.ValueType == "NUM"]
    meanings = {item.ConceptCodeSequence[0].CodeMeaning for item in items(report) if item.ValueType == "CODE"}
    assert "no answer" in meanings and "positive" not in meanings


def test_an_answer_that_a_reader_wished_for_says_that_it_was_refused(grey, run):
    refused = replace(grey, status="rejected", reason="It is unlike the training.")
    capture, report = opened(make_dicom(refused, run, made=MADE, overridden=True))
    assert "Refused, shown at a reader's wish: It is unlike the training." in capture.ImageComments
    meanings = {item.ConceptCodeSequence[0].CodeMeaning for item in items(report) if item.ValueType == "CODE"}
    assert "Refused, shown at a reader's wish" in meanings


def test_a_dicom_slice_gets_new_identifiers_and_a_pseudonym(ct, run, dicom_file):
    source = pydicom.dcmread(dicom_file)
    capture, report = opened(make_dicom(answered(ct), run, made=MADE))
    again, _ = opened(make_dicom(answered(ct), run, made=MADE))
    for dataset in (capture, report):
        assert dataset.PatientID == ct.patient_id and dataset.PatientID.startswith("P-")
        assert not dataset.PatientName and dataset.PatientIdentityRemoved == "YES"
    whole = b"".join(make_dicom(answered(ct), run, made=MADE))
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", "PatientName"):
        assert str(source[name].value).encode() not in whole, name
    assert again.StudyInstanceUID == capture.StudyInstanceUID, "slices of one study stay together"
    assert again.SOPInstanceUID != capture.SOPInstanceUID
    assert list(capture.PatientOrientation) == list(patient_orientation(ct.image))


def test_the_hospitals_own_copy_belongs_to_its_study(ct, run, dicom_file):
    source = pydicom.dcmread(dicom_file)
    identity = read_identity(dicom_file)
    capture, report = opened(make_dicom(answered(ct), run, made=MADE, identity=identity))
    for dataset in (capture, report):
        for name in ("PatientName", "PatientID", "PatientSex", "StudyInstanceUID", "StudyID"):
            assert str(dataset[name].value) == str(source[name].value), name
        assert "PatientIdentityRemoved" not in dataset
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert capture.SeriesInstanceUID != source.SeriesInstanceUID
    referred = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in items(report)
        if item.ValueType == "IMAGE"
    }
    assert referred == {source.SOPInstanceUID, capture.SOPInstanceUID}


def test_odd_values_are_kept_or_left_out_and_never_break_it(ct, run, dicom_file):
    identity = read_identity(dicom_file) | {
        "PatientName": "Müller", "PatientBirthDate": "1.1.1950", "PatientSex": "unknown", "StudyTime": "noon",
    }  # fmt: skip
    capture, report = opened(make_dicom(answered(ct), run, made=MADE, identity=identity))
    assert str(capture.PatientName) == str(report.PatientName) == "Müller"
    assert not capture.PatientBirthDate and not capture.PatientSex and not capture.StudyTime


def test_identifiers_that_are_not_there_cannot_be_kept(grey, run, png_file):
    assert read_identity(png_file) == {}
    with pytest.raises(NoStudyError, match="Only a DICOM file"):
        make_dicom(answered(grey), run, made=MADE, identity=read_identity(png_file))


def test_a_refused_slice_has_no_dicom_unless_somebody_asked(grey, run):
    refused = replace(grey, status="rejected", reason="It is a photograph.")
    with pytest.raises(NoAnswerError, match="photograph"):
        make_dicom(refused, run, made=MADE)
    _, report = opened(make_dicom(refused, run, made=MADE, overridden=True))
    assert any("photograph" in item.TextValue for item in items(report) if item.ValueType == "TEXT")


def test_a_synthetic_model_is_called_so(grey, run):
    capture, report = opened(make_dicom(answered(grey), replace(run, tags={"synthetic": "true"}), made=MADE))
    assert "Synthetic task" in capture.ImageComments
    assert any("Synthetic task" in item.TextValue for item in items(report) if item.ValueType == "TEXT")


def test_the_notice_is_burned_into_the_picture(grey, run):
    capture, _ = opened(make_dicom(answered(grey), run, made=MADE))
    pixels = capture.pixel_array
    assert pixels.shape == (1174, 1024, 3)
    amber = (pixels[1024:] == (255, 210, 122)).all(axis=2)
    assert amber.sum() > 500, "its letters"


def test_orientation_is_read_from_the_header_alone(ct, grey):
    assert patient_orientation(grey.image) is None
    for told, expected in (
        ("1 0 0 0 1 0", ("L", "P")),
        ("-1 0 0 0 -1 0", ("R", "A")),
        ("0 1 0 0 0 -1", ("P", "F")),
    ):
        header = replace(ct.image.header, image_orientation=told)
        assert patient_orientation(replace(ct.image, header=header)) == expected


@pytest.mark.parametrize("tool", ["dcmdump", "dsrdump"])
def test_dcmtk_reads_it(tool, ct, run, dicom_file, tmp_path):
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")
    files = make_dicom(answered(ct), run, made=MADE, identity=read_identity(dicom_file))
    path = tmp_path / "a.dcm"
    path.write_bytes(files.report if tool == "dsrdump" else files.capture)
    done = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "E:" not in done.stderr, done.stderr
    assert ("UNVERIFIED" if tool == "dsrdump" else "SecondaryCaptureImageStorage") in done.stdout.replace(
        "Verification Flag   : ", ""
    )
