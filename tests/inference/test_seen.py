"""Telling a slice that the model has seen from one that it has not."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import DicomHeader
from pipeline.inference.seen import SENTENCES, SeenSlices, with_fingerprints
from tests.inference.conftest import as_grey, patient, write_png

PARTS = ("train", "val", "calibration", "test")


@pytest.fixture
def known(workspace, tmp_path):
    """Four slices of a patient, one in each part, as a run's `seen.parquet`."""
    for place, phantom in enumerate(patient()[:4]):
        write_png(tmp_path / "source" / "pCT" / f"pCT{place}.png", as_grey(phantom).image)
    build_index(workspace, tmp_path / "source", name="small")
    index = load_index(workspace, "small").sort_values("path")
    table = index[["slice_id", "content_hash", "perceptual_hash", "patient_id"]].assign(part=list(PARTS))
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    with_fingerprints(workspace, "small", table.assign(patient_id="p1")).to_parquet(
        artifacts / "seen.parquet"
    )
    return SeenSlices.load(artifacts)


@pytest.mark.parametrize(("place", "part"), list(enumerate(PARTS)))
def test_the_very_slice_is_told_with_its_part(known, place, part):
    assert known.find(as_grey(patient()[place])) == part


def test_the_same_pixels_in_another_file_are_the_same_slice(known, tmp_path):
    image = as_grey(patient()[0]).image
    cv2.imwrite(str(tmp_path / "copy.bmp"), image)
    assert known.find(read_slice(tmp_path / "copy.bmp")) == "train"


@pytest.mark.parametrize("change", ["recompressed", "resized", "brightened"])
def test_a_near_copy_is_told(known, change):
    image = as_grey(patient()[0])
    pixels = image.image
    if change == "recompressed":
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)
    elif change == "resized":
        pixels = cv2.resize(pixels, (300, 300), interpolation=cv2.INTER_AREA)
    else:
        pixels = np.clip(pixels * 1.1 + 6.0, 0, 255).astype(np.uint8)
    assert known.find(replace(image, image=pixels)) == "near-duplicate"


def test_a_near_copy_of_a_test_slice_was_not_seen(known):
    image = as_grey(patient()[3])
    assert known.find(replace(image, image=cv2.resize(image.image, (300, 300)))) in ("no", "same-patient")


def test_a_known_patient_is_told(known):
    stranger = as_grey(patient(1007)[3])
    assert known.find(stranger) == "no"
    assert known.find(stranger, patient_id="p1") == "same-patient"
    assert known.find(replace(stranger, header=DicomHeader(patient_id="p1"))) == "same-patient"
    assert known.find(replace(stranger, header=DicomHeader(patient_id=None))) == "no"


def test_every_answer_has_its_sentence(known):
    assert set(PARTS) | {"near-duplicate", "same-patient", "no", "unknown"} == set(SENTENCES)


def test_a_table_without_fingerprints_still_tells_what_it_can(known, tmp_path):
    table = pd.read_parquet(tmp_path / "artifacts" / "seen.parquet").drop(columns="fingerprint")
    table.to_parquet(tmp_path / "seen.parquet")
    plain = SeenSlices.load(tmp_path)
    assert plain.find(as_grey(patient()[0])) == "train"


def test_a_run_that_kept_nothing_says_so(tmp_path):
    assert SeenSlices.load(tmp_path) is None
