"""The Predict page's files: what is handed on, with which words, and when it is made."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import cv2
import numpy as np
import pydicom
from streamlit.testing.v1 import AppTest

from dashboard.widgets import NOTICE
from pipeline.data.phantom.dicom_series import encode_dicom
from tests import families
from tests.dashboard import predicting
from tests.dashboard.predicting import calm, choose, take, upload, words
from tests.inference.conftest import patient

home, page, saved, _idle = predicting.home, predicting.page, predicting.saved, predicting._idle


def test_the_map_is_saved_with_the_notice(page: AppTest, saved: dict[str, Any]) -> None:
    picture = cv2.imdecode(np.frombuffer(take(page, saved, "map"), np.uint8), cv2.IMREAD_COLOR)
    notice = np.zeros((16, picture.shape[1], 3), np.uint8)
    cv2.putText(notice, NOTICE, (14, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (222, 215, 210), 1, cv2.LINE_AA)
    assert picture.shape == (512 + 64, 512, 3)
    np.testing.assert_array_equal(picture[-16:], notice)


def test_the_answer_is_saved_with_the_notice(page: AppTest, saved: dict[str, Any]) -> None:
    answer = json.loads(take(page, saved, "json"))
    assert answer["notice"] == NOTICE and answer["status"] == "ok" and not answer["calibrated"]
    assert set(answer["probabilities"]) == set(families.CLASSES)
    assert answer["label"] in words(page)


def test_nothing_is_made_before_a_kind_is_chosen(page: AppTest, saved: dict[str, Any]) -> None:
    calm(page.run())
    assert not saved and "predict.saved" not in page.session_state


def test_a_file_is_made_once_and_anew_for_another_slice(page: AppTest, saved: dict[str, Any]) -> None:
    first = take(page, saved, "pdf")
    assert first.startswith(b"%PDF") and take(page, saved, "pdf") == first, "the date would differ"
    other = "nCT" if "pCT" in words(page) else "pCT"
    choose(page, other, 3 if other == "nCT" else 1)
    assert bytes(saved["predict-download"]) != first


def test_a_bundle_holds_pixels_only_where_they_are_asked_for(page: AppTest, saved: dict[str, Any]) -> None:
    def members() -> set[str]:
        return set(zipfile.ZipFile(io.BytesIO(take(page, saved, "bundle"))).namelist())

    assert members() == {"answer.json", "heatmap.npy"}
    page.toggle(key="predict.save.pixels").set_value(True)
    assert members() == {"answer.json", "heatmap.npy", "slice.npy"}


def test_dicom_of_an_upload_names_its_patient_only_where_asked(page: AppTest, saved: dict[str, Any]) -> None:
    calm(upload(page, "1.2.840.dcm", encode_dicom(patient(1007)[3], instance=1)))
    patients = []
    for keep in (False, True):
        take(page, saved, "dicom")
        page.toggle(key="predict.save.identifiers").set_value(keep)
        with zipfile.ZipFile(io.BytesIO(take(page, saved, "dicom"))) as archive:
            assert sorted(archive.namelist()) == ["1.2.840-map.dcm", "1.2.840-report.dcm"]
            patients.append(str(pydicom.dcmread(io.BytesIO(archive.read("1.2.840-map.dcm"))).PatientID))
    assert patients[0].startswith("P-") and patients[1] == patient(1007)[3].patient_id
