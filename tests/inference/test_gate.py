"""What the gate lets in and what it does not, on pictures whose answer can be seen."""

import cv2
import numpy as np
import pytest

from pipeline.data.phantom import generate_patient
from pipeline.preprocessing.gate import is_chest_ct
from tests.inference.conftest import as_grey, as_hu


def head() -> np.ndarray:
    """A skull: a white ring, taller than wide, around grey brain with dark ventricles."""
    picture = np.zeros((300, 300), np.uint8)
    cv2.ellipse(picture, (150, 150), (100, 125), 0, 0, 360, 255, -1)
    cv2.ellipse(picture, (150, 150), (88, 113), 0, 0, 360, 90, -1)
    for column in (138, 162):
        cv2.ellipse(picture, (column, 140), (7, 22), 0, 0, 360, 30, -1)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def judge(image, **options):
    return is_chest_ct(image, intensity="hu" if image.dtype == np.float32 else "grey", **options)


@pytest.mark.parametrize("seed", [1000, 1007])
def test_every_level_of_a_trunk_passes(seed):
    """From neck to abdomen, in HU and in grey: little lung never rejects."""
    for phantom in generate_patient(seed, slices=6):
        for image in (as_hu(phantom), as_grey(phantom)):
            verdict = is_chest_ct(image.image, intensity=image.intensity)
            assert verdict.passed, (phantom.level, verdict.reasons)


@pytest.mark.parametrize("turn", [-8, 8])
def test_a_patient_who_lies_askew_passes(chest, turn):
    rows, columns = chest.image.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, 1)
    assert judge(cv2.warpAffine(chest.image, matrix, (columns, rows))).passed


def test_a_tightly_cut_slice_with_one_lung_white_passes(chest):
    """Patient 1000 has an effusion that fills one side: nothing of it mirrors the other."""
    assert judge(np.ascontiguousarray(chest.image[120:420, 90:430])).passed


def refused(image, **options) -> str:
    verdict = judge(image, **options)
    assert not verdict.passed
    return " ".join(verdict.reasons)


def test_a_head_is_refused():
    assert "a head, not a chest" in refused(head())


def test_a_radiograph_is_refused(chest):
    assert "radiograph" in refused(cv2.GaussianBlur(chest.image, (0, 0), 14))


def test_an_empty_picture_is_refused():
    assert "only 1 grey levels" in refused(np.zeros((256, 256), np.uint8))


def test_a_picture_stored_with_hardly_any_levels_is_refused(chest):
    assert "grey levels" in refused(chest.image // 64)


def test_noise_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
    assert "no large shapes" in refused(noise)


def test_a_colour_photograph_is_refused(chest):
    assert "colour picture" in refused(chest.image, color_share=0.6)
    assert judge(chest.image, color_share=0.05).passed  # arrows and letters


@pytest.mark.parametrize("modality", ["MR", "CR", "US"])
def test_another_modality_is_refused_by_its_header(chest, modality):
    assert f"it is {modality}, not CT" in refused(chest.image, modality=modality)
    assert judge(chest.image, modality="CT").passed


def test_a_stamp_is_too_small(chest):
    small = cv2.resize(chest.image, (48, 48))
    assert "48 x 48 pixels, too few" in refused(small)


def test_a_strip_is_no_slice(chest):
    assert "strip" in refused(np.ascontiguousarray(chest.image[200:300]))


def test_the_picture_is_not_changed(chest):
    before = chest.image.copy()
    judge(chest.image)
    np.testing.assert_array_equal(chest.image, before)
