"""Phantoms: the same seed gives the same slices, masks fit the picture, labels follow what is drawn."""

import numpy as np
import pytest

from pipeline.data.phantom import GENERATOR_VERSION, Patient, generate_patient, generator_hash
from pipeline.data.phantom.geometry import Keyframes, Tube, blob, mirrored, offset, spline
from pipeline.data.phantom.patient import LEAST_LESION_MM2, LEAST_LUNG_MM2
from pipeline.data.phantom.traits import OTHER_FINDINGS, Traits


@pytest.fixture(scope="module")
def slices():
    """Thirty slices of six patients, from neck to abdomen."""
    return [item for seed in range(6) for item in generate_patient(seed, slices=5)]


def first_seed(accepts, start=0):
    return next(seed for seed in range(start, start + 2000) if accepts(Traits.random(seed)))


def test_the_same_seed_gives_the_same_slices_and_another_seed_others():
    once, again, other = (generate_patient(seed, slices=2) for seed in (7, 7, 8))
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a.slice_hu, b.slice_hu)
        np.testing.assert_array_equal(a.lesion_mask, b.lesion_mask)
        assert not np.array_equal(a.slice_hu, c.slice_hu)


def test_a_slice_does_not_depend_on_which_others_are_cut():
    patient = Patient(3)
    patient.slice_at(0.3)
    np.testing.assert_array_equal(patient.slice_at(0.5).slice_hu, Patient(3).slice_at(0.5).slice_hu)


def test_slices_are_hu(slices):
    for item in slices:
        assert item.slice_hu.shape == (512, 512) and item.slice_hu.dtype == np.float32
        assert item.slice_hu.min() >= -1024 and item.slice_hu.max() <= 3071
        assert (item.slice_hu > 200).any(), "every level has bone"


def test_masks_lie_in_the_lung_and_lung_is_dark(slices):
    for item in slices:
        assert item.lung_mask.dtype == bool and item.lesion_mask.dtype == bool
        assert not (item.lesion_mask & ~item.lung_mask).any()
        assert not (item.finding_mask & ~item.lung_mask).any()
        healthy = item.lung_mask & ~item.lesion_mask & ~item.finding_mask
        if healthy.sum() > 5000:
            assert -950 < np.median(item.slice_hu[healthy]) < -740


def test_lesions_are_denser_than_the_lung_around_them():
    contrasts = []
    for seed in range(40):
        if Traits.random(seed).disease == "covid-like":
            item = Patient(seed).slice_at(0.6)
            if item.lesion_area_mm2 > 300:
                healthy = item.lung_mask & ~item.lesion_mask & ~item.finding_mask
                contrasts.append(item.slice_hu[item.lesion_mask].mean() - item.slice_hu[healthy].mean())
    assert len(contrasts) > 5 and min(contrasts) > 50 and np.median(contrasts) > 120


def test_labels_follow_the_areas(slices):
    for item in slices:
        if item.lung_area_mm2 < LEAST_LUNG_MM2:
            assert item.label == "non-informative"
        else:
            assert item.label == ("positive" if item.lesion_area_mm2 >= LEAST_LESION_MM2 else "negative")
        area = np.count_nonzero(item.lesion_mask) * item.pixel_spacing**2
        assert item.lesion_area_mm2 == pytest.approx(area, abs=0.1)
    assert {item.label for item in slices} == {"positive", "negative", "non-informative"}


def test_both_scanners_see_every_class_alike():
    """A source that told the class would be a shortcut."""
    traits = [Traits.random(seed) for seed in range(1500)]
    share = {
        source: np.mean([t.disease == "covid-like" for t in traits if t.scanner.source == source])
        for source in ("scanner-a", "scanner-b")
    }
    assert abs(share["scanner-a"] - share["scanner-b"]) < 0.08


def test_patients_differ_as_the_design_asks():
    traits = [Traits.random(seed) for seed in range(600)]
    assert 0.02 < np.mean([t.is_prone for t in traits]) < 0.12
    assert any(t.missing_side == -1 for t in traits) and any(t.missing_side == 1 for t in traits)
    assert any(t.has_arms_down for t in traits) and any(t.has_contrast for t in traits)
    found = {finding for t in traits if t.disease == "other" for finding in t.findings}
    assert found == set(OTHER_FINDINGS)
    assert any(t.findings for t in traits if t.disease == "covid-like")


@pytest.mark.parametrize("finding", OTHER_FINDINGS)
def test_other_disease_shows_and_is_no_lesion(finding):
    seed = first_seed(lambda t: t.disease == "other" and t.findings == (finding,) and not t.missing_side)
    patient = Patient(seed)
    masses = patient.other.masses[:, 2] / patient.traits.length_mm
    seen = [patient.slice_at(float(level)) for level in (*masses, 0.3, 0.45, 0.6, 0.7)]
    assert any(finding in item.findings for item in seen)
    assert not any(item.lesion_mask.any() for item in seen)


def test_a_prone_patient_lies_the_other_way_up():
    item = Patient(first_seed(lambda t: t.is_prone and not t.has_arms_down)).slice_at(0.5)
    bone_rows = np.flatnonzero((item.slice_hu[:, 216:296] > 250).sum(axis=1) > 12)
    lung_rows = np.flatnonzero(item.lung_mask.any(axis=1))
    assert np.median(bone_rows) < np.median(lung_rows), "the spine is above"


def test_after_a_pneumonectomy_one_side_has_no_lung():
    traits_of = Traits.random(seed := first_seed(lambda t: t.missing_side == 1 and not t.is_prone))
    item = Patient(seed).slice_at(0.5)
    assert traits_of.missing_side == 1
    assert item.lung_mask[:, 300:].sum() < 0.02 * item.lung_mask.sum()


def test_the_generator_names_itself():
    assert len(generator_hash()) == 64 and GENERATOR_VERSION


def test_keyframes_meet_their_table_and_do_not_overshoot():
    frames = Keyframes.of({0.0: 1.0, 0.5: 3.0, 1.0: 2.0})
    assert frames.at(0.5) == pytest.approx(3) and frames.at(-1) == 1 and frames.at(2) == 2
    assert max(float(frames.at(level)) for level in np.linspace(0, 1, 50)) <= 3 + 1e-9


def test_a_spline_passes_through_its_control_points():
    control = np.array([(0, 0), (4, 0), (4, 4), (0, 4)], float)
    np.testing.assert_allclose(spline(control)[::10], control)
    np.testing.assert_allclose(spline(control, closed=False)[[0, -1]], control[[0, -1]])


def test_offset_grows_a_circle_by_its_distance():
    circle = blob((3, 5), (10, 10))
    radii = np.linalg.norm(offset(circle, 2.0) - [3, 5], axis=1)
    np.testing.assert_allclose(radii, 12, atol=1e-6)


def test_a_mirrored_half_is_symmetrical():
    whole = mirrored(np.array([(0, -1), (2, 0), (0, 1)], float))
    assert sorted(map(tuple, whole)) == sorted(map(tuple, whole * [-1, 1]))


def test_a_plane_through_a_tube_cuts_a_disc_of_its_radius():
    tube = Tube.through([(0, 0, 0.0, 5), (0, 0, 0.5, 5), (0, 0, 1.0, 5)], 100.0)
    centers, radii = tube.section(50.0)
    assert radii.max() == pytest.approx(5, abs=0.2)
    np.testing.assert_allclose(centers, 0, atol=1e-9)
    assert not len(tube.section(200.0)[1])
