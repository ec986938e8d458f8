"""The Predict page on a patient's slices and a small model: fixtures, and what tests do on it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import loaders
from dashboard.prediction import evidence, maps
from pipeline.data.index import build_index, load_index
from pipeline.inference.seen import with_fingerprints
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import as_grey, patient, write_png

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
