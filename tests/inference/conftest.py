"""Slices, and a finished run around a small exported model."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.index import build_index
from pipeline.data.phantom import PhantomSlice, generate_patient
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import display_grey
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace
from tests import families


@cache
def patient(seed: int = 1000) -> list[PhantomSlice]:
    """Six slices of a synthetic patient from neck to abdomen."""
    return generate_patient(seed, slices=6)


def as_hu(phantom: PhantomSlice) -> SliceImage:
    return SliceImage(phantom.slice_hu, "hu", "dicom", 16)


def as_grey(phantom: PhantomSlice) -> SliceImage:
    return SliceImage(display_grey(phantom.slice_hu, intensity="hu"), "grey", "png", 8)


@pytest.fixture(scope="session")
def phantoms() -> list[PhantomSlice]:
    return patient()


@pytest.fixture(scope="session")
def chest(phantoms) -> SliceImage:
    """A grey slice through the middle of the chest."""
    return as_grey(phantoms[3])


@pytest.fixture
def run(tmp_path) -> RunInfo:
    """A finished run with an engine of its own."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(families.engine_folder("ResNet50V2"), artifacts / "engine")
    return RunInfo(
        id="0123456789abcdef", name="small", status="finished", created=datetime.now(UTC),
        params={}, tags={}, metrics={}, artifacts=artifacts,
    )  # fmt: skip


def write_png(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def make_series_home(folder: Path) -> Workspace:
    """Make a workspace with the data set `wards`, one series of six slices, and the model `small`."""
    for number, phantom in enumerate(patient()):
        path = folder / "slices" / "ct" / f"IM{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_dicom(phantom, instance=number + 1))
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards")
    store = RunStore(workspace)
    run = store.create("small", {"dataset": "wards"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), run.artifacts / "engine")
    store.finish(run.id)
    return workspace
