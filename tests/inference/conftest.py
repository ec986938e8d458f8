"""Slices, and a finished run around a small exported model."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.phantom import PhantomSlice, generate_patient
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import display_grey
from pipeline.runs import RunInfo
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
