"""The Predict page on files of one's own: what it answers, what it refuses, and the reader's override."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.prediction import maps
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.inference.overrides import list_overrides
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.dashboard import predicting
from tests.dashboard.predicting import (
    REFUSED_KINDS,
    SCORES,
    calm,
    kinds,
    open_page,
    photo,
    png,
    upload,
    words,
)
from tests.inference.conftest import as_grey, make_series_home, patient

home, page, shown, saved = predicting.home, predicting.page, predicting.shown, predicting.saved
_idle = predicting._idle


def test_an_upload_is_answered_and_recognised(page: AppTest) -> None:
    calm(upload(page, "mine.png", png(as_grey(patient()[3]).image)))
    assert SCORES in words(page) and "The slice belongs to the run&#x27;s test part" in words(page)
    calm(upload(page, "taught.png", png(as_grey(patient()[1]).image)))
    assert "Seen in training" in words(page)


def test_a_dicom_file_is_read_in_hu(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    data = encode_dicom(patient(1007)[3], instance=1)
    calm(upload(page, "1.2.840.dcm", data))
    assert SCORES in words(page) and " mm." in words(page), "cells are told in mm where the spacing is known"
    base = shown[-2][0].layers[0]
    assert isinstance(base, maps.HuLayer) and base.image.min() < -900


def test_an_upload_leaves_no_file_behind(page: AppTest, home: Workspace) -> None:
    before = {path for path in home.root.rglob("*") if path.is_file()}
    calm(upload(page, "mine.png", png(as_grey(patient()[4]).image)))
    after = {path for path in home.root.rglob("*") if path.is_file()}
    assert not {path for path in after - before if path.suffix not in (".db-wal", ".db-shm", ".lock")}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"Findings: none.\n" * 40, "not an image"),
        (b"", "empty"),
        (png(np.zeros((64, 64), np.uint8))[:60], "cut off"),
        (b"\x00" * 128 + b"DICM" + b"\x08\x00", "DICOM"),
        (png(np.full((1, 1), 90, np.uint8)), "1 x 1 pixels; a slice has at least 16"),
    ],
    ids=["text", "empty", "cut", "broken DICOM", "one pixel"],
)
def test_what_is_no_picture_is_a_sentence(page: AppTest, data: bytes, sentence: str) -> None:
    upload(page, "file.png", data)
    assert not page.exception
    (error,) = page.error
    assert sentence in error.value and "reference" not in error.value
    assert "The model says" not in words(page)


@pytest.mark.parametrize(
    ("image", "reason"),
    [(photo(), "colour picture"), (photo()[:40, :40], "too few to read a chest in")],
    ids=["photo", "stamp"],
)
def test_no_chest_slice_gets_a_reason_and_no_probabilities(
    page: AppTest,
    image: np.ndarray,
    reason: str,
    saved: dict[str, Any],
    shown: list[list[maps.Panel]],
) -> None:
    calm(upload(page, "picture.png", png(image)))
    said = words(page)
    assert "Not taken for a chest CT slice" in said and reason in said
    assert "The model says" not in said and "p-score" not in said
    assert not shown[-1][0].outlines, "no lungs are drawn into what is no chest"
    assert "What the network saw" not in said and kinds(page) == REFUSED_KINDS


def test_the_gate_can_be_overridden_for_one_slice(page: AppTest) -> None:
    calm(upload(page, "picture.png", png(photo())))
    override = next(toggle for toggle in page.toggle if toggle.label.startswith("It is one"))
    calm(override.set_value(True).run())
    said = words(page)
    assert "Scores, not probabilities" in said and "Not taken for a chest CT slice" in said, (
        "the warning stays"
    )
    assert "means nothing" in said and kinds(page) > REFUSED_KINDS
    calm(upload(page, "other.png", png(np.flipud(photo()))))
    assert "p-score" not in words(page), "another picture is asked about anew"


def test_an_override_holds_for_the_model_it_was_made_with(
    _idle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_series_home(tmp_path)
    store = RunStore(home)
    other = store.create("other", {"dataset": "wards"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), other.artifacts / "engine")
    store.finish(other.id)
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    app = open_page()
    app.query_params["run"] = "small"
    calm(upload(calm(app.run()), "picture.png", png(photo())))
    override = next(toggle for toggle in app.toggle if toggle.label.startswith("It is one"))
    calm(override.set_value(True).run())
    assert 'class="p-score"' in words(app)
    app.query_params["run"] = "other"
    calm(app.run())
    assert 'class="p-score"' not in words(app) and "No score and no map are shown" in words(app)
    (line,) = list_overrides(home)
    assert line["run"] == store.find("small").id


def test_an_override_is_recorded_without_the_files_name(page: AppTest, home: Workspace) -> None:
    before = len(list_overrides(home))
    calm(upload(page, "Mustermann.png", png(photo()[::2])))
    override = next(toggle for toggle in page.toggle if toggle.label.startswith("It is one"))
    calm(override.set_value(True).run())
    (line,) = list_overrides(home)[before:]
    assert line["shown"] and line["slice_id"] is None and "colour" in line["reason"]
    assert "Mustermann" not in json.dumps(line)
