"""A workspace with a small run and its answers for a synthetic patient's slice, as PNG and as DICOM."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.data.index import build_index
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.data.reading import read_slice
from pipeline.explanation.checks import Check
from pipeline.explanation.report_card import ReportCard, judged
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import as_grey, patient, write_png

FINDING = "Hiding what the map marks changes the answer no more than hiding anything else."
CARD: ReportCard = judged(
    [
        Check("deletion", "Deletion", "8 of 12", "bad", FINDING, "this slice", "good: 11 of 12"),
        Check("lungs", "Heat inside the lungs", "71%", "good", "71% of it.", "this slice", "good: twice"),
    ]
)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the data set `wards` and the run `small`."""
    return make_home(tmp_path_factory.mktemp("handing-on"))


def make_home(folder: Path) -> Workspace:
    """Make a workspace with three slices, indexed as `wards`, and the run `small`."""
    for place in (1, 3):
        write_png(folder / "slices" / "pCT" / f"pCT{place}.png", as_grey(patient()[place]).image)
    (folder / "slices" / "Mustermann.dcm").write_bytes(encode_dicom(patient(1007)[3], instance=1))
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards")
    store = RunStore(workspace)
    made = store.create("small", {}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), made.artifacts / "engine")
    store.finish(made.id)
    return workspace


@pytest.fixture
def run(home: Workspace) -> RunInfo:
    return RunStore(home).find("small")


@pytest.fixture(scope="session")
def png_file(home: Workspace) -> Path:
    return home.root.parent / "slices" / "pCT" / "pCT3.png"


@pytest.fixture(scope="session")
def dicom_file(home: Workspace) -> Path:
    return home.root.parent / "slices" / "Mustermann.dcm"


def answer(home: Workspace, run: RunInfo, path: Path) -> Prediction:
    """Return what the run says of a file."""
    return predict_slice(Engine.load(run), read_slice(path, key=home.pseudonym_key()))


@pytest.fixture
def grey(home: Workspace, run: RunInfo, png_file: Path) -> Prediction:
    """The answer for the PNG."""
    return answer(home, run, png_file)


@pytest.fixture
def ct(home: Workspace, run: RunInfo, dicom_file: Path) -> Prediction:
    """The answer for the DICOM file."""
    return answer(home, run, dicom_file)
