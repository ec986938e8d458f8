"""The Predict page: what the model says of a slice, and what stands beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets import NOTICE
from pipeline.data.index import load_index
from pipeline.inference.calibrated import Basis, Calibration, ConformalSets
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.reference import pool
from pipeline.inference.reference_fit import fit_reference
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.dashboard import predicting
from tests.dashboard.predicting import SCORES, answer_of, calm, choose, open_page, take, words
from tests.inference.conftest import as_grey, patient

home, page, saved, _idle = predicting.home, predicting.page, predicting.saved, predicting._idle


def test_without_a_model_the_page_says_how_to_get_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    app = open_page()
    assert "No model yet" in words(app) and "Train page" in words(app)
    assert not app.file_uploader and "The model says" not in words(app)


def test_a_run_that_cannot_be_asked_is_not_offered(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    RunStore(workspace).create("half trained", {}, {})
    assert "No model yet" in words(open_page())


def test_a_slice_gets_a_label_scores_and_their_kind(page: AppTest) -> None:
    said = words(page)
    assert "The model says" in said and SCORES in said
    assert "not a probability of disease" in said and "Probability:" not in said
    assert said.count('class="p-score"') == len(families.CLASSES)
    assert f"</i>{answer_of(page)}</h3>" in said
    assert "Looks like an axial CT slice" in said
    assert said.count(NOTICE) >= 2, "the frame's and one beside the answer"


@pytest.mark.parametrize(
    ("folder", "place", "title"),
    [("pCT", 1, "Seen in training"), ("nCT", 3, "Not seen"), ("NiCT", 0, "Not seen")],
)
def test_what_the_model_has_seen_is_said_beside_the_scores(
    page: AppTest, folder: str, place: int, title: str
) -> None:
    said = words(choose(page, folder, place))
    assert title in said
    assert said.index(SCORES) < said.index(title) < said.index(NOTICE, said.index(title))


def test_a_slice_learnt_from_is_called_memory(page: AppTest) -> None:
    assert "its answer is memory" in words(choose(page, "pCT", 1))
    assert "has not seen it" in words(choose(page, "nCT", 3))


def test_slices_are_filtered_stepped_through_and_shuffled(page: AppTest) -> None:
    page.selectbox(key="prep.class").select("negative")
    calm(page.run())
    assert "nCT" in words(page) and "pCT" not in words(page)
    first = page.query_params["slice"]
    calm(page.button(key="prep-next").click().run())
    assert page.query_params["slice"] != first
    calm(page.button(key="prep-previous").click().run())
    assert page.query_params["slice"] == first
    for _ in range(4):
        calm(page.button(key="prep-shuffle").click().run())
        assert "nCT" in words(page), "shuffling stays in the class"


@pytest.fixture
def fitted(home: Workspace) -> Iterator[Engine]:
    """The run with calibration and reference beside its engine; every slice of the patient in the latter."""
    (run,) = RunStore(home).list()
    engine = Engine.load(run)
    index = load_index(home, "wards").assign(
        patient_id=lambda t: t["slice_id"], group=lambda t: t["slice_id"]
    )
    pooled = np.stack([pool(predict_slice(engine, as_grey(one)).features) for one in patient()])
    order = index["path"].map(lambda path: int(Path(path).stem[-1])).to_numpy()
    train, rows = np.tile(pooled[order], (20, 1)), pd.concat([index] * 20, ignore_index=True)
    digest = engine.facts.sha256["model.bin"]
    reference = fit_reference(
        train, rows, train, rows, dataset="wards", part="calibration", model_sha256=digest
    )
    assert reference is not None
    reference.save(run.artifacts / "reference.npz")
    basis = Basis(dataset="wards", part="calibration", slices=120, groups=30, unit="patient")
    sets = ConformalSets(
        alpha=0.1, floors=dict.fromkeys(families.CLASSES, 0.0), groups=dict.fromkeys(families.CLASSES, 30)
    )
    found = Calibration(model_sha256=digest, basis=basis, temperature=2.0, conformal=sets)
    (run.artifacts / "calibration.json").write_text(found.model_dump_json(), encoding="utf-8")
    yield Engine.load(run)
    (run.artifacts / "reference.npz").unlink()
    (run.artifacts / "calibration.json").unlink()


def test_every_number_says_what_it_was_estimated_on(fitted: Engine, page: AppTest) -> None:
    said = words(page)
    assert "fitted to how often the model was right on 120 slices of 30 patients (wards, part" in said
    assert "Distance 0.0 from 120 slices of 6 patients" in said and "limit" in said
    if 'data-first="true"><span>non-informative' not in said:
        assert "Undecided between" in said and "90% of new patients" in said
    assert "uncalibrated" not in said


def test_alike_training_slices_of_others_are_shown(fitted: Engine, page: AppTest) -> None:
    said = words(page)
    assert "Most alike in training" in said and "Searched: 120 slices of 6 patients" in said


def test_averaging_is_said_beside_the_score(page: AppTest, saved: dict[str, Any]) -> None:
    page.session_state["predict.views"] = True
    assert json.loads(take(page, saved, "json"))["averaging"]["views"] == 8
    assert "averaged over 8 slightly moved copies" in words(page) or "non-informative" in answer_of(page)
