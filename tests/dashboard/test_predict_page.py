"""The Predict page: what the model says of a slice, what stands beside it, and what it refuses to say."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import loaders
from dashboard.prediction import background, evidence, maps
from dashboard.widgets import NOTICE
from pipeline.data.index import build_index, load_index
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.explanation.methods import METHODS
from pipeline.inference.calibrated import Basis, Calibration, ConformalSets
from pipeline.inference.engine import Engine
from pipeline.inference.overrides import list_overrides
from pipeline.inference.predict import predict_slice
from pipeline.inference.reference import pool
from pipeline.inference.reference_fit import fit_reference
from pipeline.inference.seen import with_fingerprints
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import as_grey, make_series_home, patient, write_png

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
FOLDERS = ("NiCT", "pCT", "pCT", "nCT", "nCT", "NiCT")
PART_OF_PLACE = {1: "train", 3: "test"}  # of the patient's slices; the model was made without the others
SCORES = "Score (uncalibrated)"
REFUSED_KINDS = {"Page (PDF)", "Page (PNG)", "Answer (JSON)", "Bundle (ZIP)"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a patient's six slices and a small model that learnt from one of them."""
    folder = tmp_path_factory.mktemp("predict")
    for place, phantom in enumerate(patient()):
        name = FOLDERS[place]
        write_png(folder / "slices" / name / f"{name}{place}.png", as_grey(phantom).image)
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards")
    store = RunStore(workspace)
    run = store.create("small", {"dataset": "wards"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), run.artifacts / "engine")
    index = load_index(workspace, "wards")
    index["part"] = index["path"].map(lambda path: PART_OF_PLACE.get(int(Path(path).stem[-1])))
    known = index.loc[index["part"].notna(), ["slice_id", "content_hash", "patient_id", "part"]]
    with_fingerprints(workspace, "wards", known).to_parquet(run.artifacts / "seen.parquet")
    store.finish(run.id)
    return workspace


@pytest.fixture
def page(home: Workspace, _idle: None, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page, opened on the data set."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    return open_page()


class Idle:
    """A background task that never comes to its work: most tests are not about the map's report card."""

    share, message, done = 0.25, "at work", False

    def __init__(self, work: Any) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def _idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "BackgroundTask", Idle)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[list[maps.Panel]]:
    """What the page gives the viewer, one entry a viewer: panels."""
    given: list[list[maps.Panel]] = []
    real = maps.viewer

    def viewer(panels: list[maps.Panel], **options: Any) -> Any:
        given.append(list(panels))
        return real(panels, **options)

    monkeypatch.setattr(maps, "viewer", viewer)
    return given


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's download buttons would save, by their key."""
    offered: dict[str, Any] = {}

    def download_button(label: str, data: Any, **options: Any) -> bool:
        offered[options["key"]] = data
        return False

    monkeypatch.setattr(st, "download_button", download_button)
    return offered


def open_page() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=90).run()
    return calm(app.switch_page("views/predict.py").run())


def calm(app: AppTest) -> AppTest:
    assert not app.exception and not app.error
    return app


def words(app: AppTest) -> str:
    """Return what the page's HTML parts say, without its style sheets."""
    bodies = [str(part.proto.body) for part in app.get("html")]
    return "".join(body for body in bodies if not body.lstrip().startswith("<style"))


def choose(app: AppTest, folder: str, place: int) -> AppTest:
    """Go to one of the patient's slices, as a link does."""
    index = load_index(loaders.workspace(), "wards")
    wanted = index["path"].str.endswith(f"{folder}{place}.png")
    app.query_params["slice"] = str(index.loc[wanted, "slice_id"].item())
    return calm(app.run())


def explain(app: AppTest, shown: list[list[maps.Panel]], label: str) -> AppTest:
    """Choose whose map is shown, and forget what was shown before."""
    shown.clear()
    app.session_state[f"predict.class.{answer_of(app)}"] = label
    return calm(app.run())


def answer_of(app: AppTest) -> str:
    """Return the class that the page names as the answer."""
    (name,) = re.findall(r'data-first="true"><span>([^<]+)<', words(app))
    return str(name)


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    """Bring a file of one's own."""
    app.session_state["predict.origin"] = "A file of mine"
    app.run()
    app.file_uploader(key="predict.file").set_value((name, data, "application/octet-stream"))
    return app.run()


def png(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", image)[1].tobytes())


def take(app: AppTest, saved: dict[str, Any], kind: str) -> bytes:
    """Choose a kind of file in the menu and return what would be saved."""
    app.session_state["predict.save"] = kind
    calm(app.run())
    return bytes(saved["predict-download"])


def kinds(app: AppTest) -> set[str]:
    """Return the kinds of files that the menu offers."""
    return set(app.pills(key="predict.save").options)


def photo() -> np.ndarray:
    """A colourful picture, as a camera's."""
    coarse = np.random.default_rng(3).integers(0, 255, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


def titles(panels: list[maps.Panel]) -> list[str]:
    return [panel.title for panel in panels]


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


def test_the_map_of_another_class_can_be_chosen(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    answer = answer_of(page)
    other = next(name for name in families.CLASSES if name != answer)
    explain(page, shown, other)
    assert titles(shown[0]) == ["Slice", f"What speaks for {other}"]
    assert f"Red speaks for {other}" in words(page)
    assert f"</i>{answer}</h3>" in words(page), "the answer itself stays"


def test_the_rival_stands_beside_it_on_the_same_scale(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    calm(page.selectbox(key="predict.beside").select(maps.RIVAL).run())
    panels = shown[0]
    assert len(panels) == 3 and titles(panels)[1] != titles(panels)[2]
    heats = [panel.layers[1] for panel in panels[1:]]
    assert all(isinstance(heat, maps.HeatLayer) and heat.signed for heat in heats)


def test_what_speaks_against_can_be_left_out(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    signed = []
    for label in families.CLASSES:  # the maps of all classes cancel out: one of them has cells against it
        explain(page, shown, label)
        signed.append(shown[0][1].layers[1])
    page.session_state["predict.sign"] = maps.FOR
    for label, before in zip(families.CLASSES, signed, strict=True):
        explain(page, shown, label)
        np.testing.assert_array_equal(shown[0][1].layers[1].values, np.maximum(before.values, 0))
    assert "what speaks against it is left out" in words(page) and "blue" not in words(page)
    assert min(layer.values.min() for layer in signed) < 0


class Waiting:
    """A map that is being computed until `done` is set."""

    done = False
    cancelled = False

    def result(self) -> np.ndarray:
        return np.linspace(0, 1, families.SIZE**2, dtype=np.float32).reshape(families.SIZE, families.SIZE)

    def cancel(self) -> None:
        self.cancelled = True


class Service:
    """The worker's stand-in: keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.pending = Waiting()

    def start(self, request: Any) -> Waiting:
        self.asked.append(request)
        return self.pending


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service()
    monkeypatch.setattr(background, "service", lambda: found)
    return found


def test_a_gradient_map_is_waited_for_beside_the_slice(
    page: AppTest, service: Service, shown: list[list[maps.Panel]]
) -> None:
    calm(page.selectbox(key="predict.method").select("grad-cam++").run())
    assert "is being computed" in words(page) and "The model says" in words(page)
    assert [len(panel.layers) for panel in shown[0]] == [1, 1], "the slice is there, its map not yet"
    assert service.asked[0].method == "grad-cam++"
    service.pending.done = True
    shown.clear()
    calm(page.run())
    assert "is being computed" not in words(page)
    assert titles(shown[0])[1].startswith(METHODS["grad-cam++"].title)
    assert len(shown[0][1].layers) == 2 and len(service.asked) == 1
    assert "does not say how strong the evidence is" in words(page)


def test_waiting_can_be_given_up(page: AppTest, service: Service) -> None:
    calm(page.selectbox(key="predict.method").select("score-cam").run())
    next(button for button in page.button if button.label == "Give it up").click()
    calm(page.run())
    assert service.pending.cancelled
    assert "is being computed" not in words(page)
    assert page.selectbox(key="predict.method").value == "grad-cam"


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


def test_an_override_is_recorded_without_the_files_name(page: AppTest, home: Workspace) -> None:
    before = len(list_overrides(home))
    calm(upload(page, "Mustermann.png", png(photo()[::2])))
    override = next(toggle for toggle in page.toggle if toggle.label.startswith("It is one"))
    calm(override.set_value(True).run())
    (line,) = list_overrides(home)[before:]
    assert line["shown"] and line["slice_id"] is None and "colour" in line["reason"]
    assert "Mustermann" not in json.dumps(line)


def test_averaging_is_said_beside_the_score(page: AppTest, saved: dict[str, Any]) -> None:
    page.session_state["predict.views"] = True
    assert json.loads(take(page, saved, "json"))["averaging"]["views"] == 8
    assert "averaged over 8 slightly moved copies" in words(page) or "non-informative" in answer_of(page)
