"""The leakage meter: labels that nothing can tell are told where a patient is on both sides, only there."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data import leakage_meter
from pipeline.data.leakage_meter import SCHEMES, LeakageMeter, measure_leakage


def series(patients=40, slices=12, *, seed=0):
    """Fingerprints of patients whose slices resemble one another, and the patient of each."""
    generator = np.random.default_rng(seed)
    pictures = []
    for _ in range(patients):
        base = cv2.resize(generator.normal(128, 40, (8, 8)).astype(np.float32), (32, 32))
        pictures += [base + generator.normal(0, 6, (32, 32)) for _ in range(slices)]
    names = pd.Series(np.repeat([f"P{at}" for at in range(patients)], slices))
    return np.clip(np.stack(pictures), 0, 255).astype(np.uint8), names


def labels_by_patient(patients, *, seed=0):
    """Half of the patients of each class, at random."""
    ids = patients.unique()
    positive = np.random.default_rng(seed).permutation(len(ids)) % 2 == 0
    return patients.map(dict(zip(ids, np.where(positive, "positive", "negative"), strict=True)))


def test_random_labels_by_patient_are_told_by_a_careless_split_only():
    fingerprints, patients = series()
    drawn = [
        measure_leakage(fingerprints, labels_by_patient(patients, seed=seed), patients, patients)
        for seed in range(8)
    ]
    assert min(found.slice_wise.value for found in drawn) > 0.98
    for scheme in ("patient_wise", "cluster_wise"):
        assert np.mean([getattr(found, scheme).value for found in drawn]) == pytest.approx(0.5, abs=0.1)
        assert sum(getattr(found, scheme).low < 0.5 < getattr(found, scheme).high for found in drawn) >= 5
    assert min(found.flattery.low for found in drawn) > 0.2
    found = drawn[0]
    assert found.flattery.value == pytest.approx(found.slice_wise.value - found.cluster_wise.value)
    assert "flatters by" in found.sentence and "chance 50%" in found.sentence


def test_one_person_under_two_ids_leaks_by_patient_and_not_by_cluster():
    fingerprints, persons = series()
    number = persons.groupby(persons).cumcount()
    ids = persons + np.where(number % 2, "a", "b")
    found = measure_leakage(fingerprints, labels_by_patient(persons), ids, persons)
    assert found.patient_wise.low > found.cluster_wise.high


def test_slices_of_their_own_are_not_flattered():
    """One slice a patient: dealing by slices is dealing by patients."""
    fingerprints, patients = series(300, 1)
    found = measure_leakage(fingerprints, labels_by_patient(patients), patients, patients)
    assert found.flattery.low < 0 < found.flattery.high


def test_a_real_difference_is_told_by_every_split():
    fingerprints, patients = series()
    labels = labels_by_patient(patients)
    fingerprints[(labels == "positive").to_numpy(), 8:24, 8:24] = 255
    found = measure_leakage(fingerprints, labels, patients, patients)
    assert found.cluster_wise.low > 0.75


def test_unknown_patients_are_said_and_the_flattery_is_a_least():
    fingerprints, patients = series()
    unknown = pd.Series([None] * len(patients), dtype="str")
    found = measure_leakage(fingerprints, labels_by_patient(patients), unknown, patients)
    assert found.patient_wise.value is None and found.patient_wise.reason
    assert not found.patients_known
    assert "at least" in found.sentence


@pytest.mark.parametrize("labels", [["positive"] * 60, ["positive"] * 57 + ["negative"] * 3])
def test_too_few_groups_have_a_reason_and_no_figure(labels):
    fingerprints, patients = series(60, 1)
    found = measure_leakage(fingerprints, pd.Series(labels), patients, patients)
    assert found.flattery.value is None
    assert "at least 5 groups" in found.sentence
    json.dumps(found.to_json(), allow_nan=False)


def test_a_class_of_few_groups_is_left_out_and_named():
    fingerprints, patients = series()
    labels = labels_by_patient(patients).mask(patients.isin(["P0", "P1"]), "rare")
    found = measure_leakage(fingerprints, labels, patients, patients)
    assert (found.labels, found.left_out) == (["positive", "negative"], ["rare"])
    assert found.slices == 38 * 12
    assert "Without rare" in found.sentence


def test_of_very_many_slices_whole_groups_are_drawn_and_it_is_said(monkeypatch):
    monkeypatch.setattr(leakage_meter, "_COMPARED", 240)
    monkeypatch.setattr(leakage_meter, "_ASKED", 100)
    fingerprints, patients = series()
    found = measure_leakage(fingerprints, labels_by_patient(patients), patients, patients)
    assert (found.slices, found.asked, found.groups) == (240, 100, 20)
    assert found.slice_wise.value > 0.98


def test_the_meter_survives_json():
    fingerprints, patients = series(20)
    found = measure_leakage(fingerprints, labels_by_patient(patients), patients, patients)
    assert LeakageMeter.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert set(SCHEMES) < set(found.to_json())
