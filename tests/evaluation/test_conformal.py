"""Conformal sets: the finite-sample rule, its published coverage, patients as units, and what is said."""

import numpy as np
import pytest

from pipeline.evaluation.conformal import (
    conformal_quantile,
    fit_conformal,
    groups_needed,
    measure_coverage,
)
from pipeline.evaluation.intervals import draw_resamples
from pipeline.evaluation.predictions import read_predictions
from pipeline.inference.calibrated import Basis, ConformalSets
from tests.evaluation.tables import LABELS, make_table

BASIS = Basis(dataset="ward", part="calibration", slices=500, groups=50, unit="patient")


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (10, 0.1), (19, 0.1), (100, 0.1), (57, 0.05)])
def test_one_slice_a_patient_gives_the_usual_quantile(n, alpha):
    """The ceil((n + 1)(1 - alpha))-th smallest of n scores (Vovk; Angelopoulos and Bates 2021, eq. 1)."""
    scores = np.random.default_rng(n).permutation(n).astype(float)
    expected = np.ceil((n + 1) * (1 - alpha)) - 1
    assert conformal_quantile(scores, np.arange(n), alpha=alpha) == expected


def test_too_few_patients_exclude_nothing():
    assert np.isinf(conformal_quantile(np.arange(8.0), np.arange(8), alpha=0.1))
    assert np.isinf(conformal_quantile(np.arange(800.0), np.arange(800) % 8, alpha=0.1))
    assert np.isinf(conformal_quantile(np.zeros(0), np.zeros(0, int)))
    assert groups_needed(0.1) == 9


def test_coverage_is_distributed_as_published():
    """Coverage ~ Beta(n + 1 - l, l), l = floor((n + 1) alpha): n = 500, alpha = 0.1 gives .9002, sd .0134.

    Of uniform scores a threshold's coverage is the threshold itself.
    """
    rng = np.random.default_rng(0)
    covered = [conformal_quantile(rng.uniform(size=500), np.arange(500)) for _ in range(4000)]
    assert np.mean(covered) == pytest.approx(0.9002, abs=0.0008)
    assert np.std(covered) == pytest.approx(0.0134, abs=0.0006)


def test_repeating_slices_of_a_patient_moves_nothing():
    scores = np.random.default_rng(1).uniform(size=40)
    once = conformal_quantile(scores, np.arange(40))
    assert conformal_quantile(np.repeat(scores, 7), np.repeat(np.arange(40), 7)) == once


def test_a_patient_with_many_slices_weighs_as_one():
    """Nine patients with one easy slice each, one with a thousand hard ones: 10 of 11 weights reach 0.9."""
    scores = np.r_[np.zeros(9), np.full(1000, 5.0)]
    groups = np.r_[np.arange(9), np.full(1000, 9)]
    assert conformal_quantile(scores, groups) == 5.0
    assert conformal_quantile(scores, groups, alpha=0.2) == 0.0


def test_new_patients_are_covered_class_by_class():
    """Promised 90 % of each class over random patients, whatever the sizes of their series."""
    rng = np.random.default_rng(2)
    held: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(300):
        probabilities, y_true, groups = patients(rng, 60)
        sets, _ = fit_conformal(probabilities, y_true, groups, ("a", "b"))
        new, truth, whose = patients(rng, 30)
        for place, label in enumerate(("a", "b")):
            inside = new[:, place] >= sets.floors[label]
            shares = [inside[(whose == one) & (truth == place)].mean() for one in set(whose[truth == place])]
            held[place].append(float(np.mean(shares)))
    for place in (0, 1):
        assert 0.89 < np.mean(held[place]) < 0.94


def patients(rng, count):
    """Draw patients of two classes, each with slices that are alike, 1 to 12 of them."""
    sizes = rng.integers(1, 13, count)
    groups = np.repeat(np.arange(count), sizes)
    truth = (np.arange(count) % 2)[groups]
    logit = rng.normal(0, 1.5, count)[groups] + rng.normal(0, 0.5, len(groups)) + np.where(truth, 1, -1)
    second = 1 / (1 + np.exp(-logit))
    return np.stack([1 - second, second], axis=1), truth, groups


def test_a_class_with_too_few_patients_is_left_out_and_two_are_needed():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(3), 60)
    y_true = np.r_[np.zeros(28, int), np.ones(28, int), np.full(4, 2)]
    sets, reason = fit_conformal(probabilities, y_true, np.arange(60), ("a", "b", "c"))
    assert set(sets.floors) == {"a", "b"} and sets.groups["c"] == 4 and reason == ""
    sets, reason = fit_conformal(probabilities[:40], y_true[:40] * 0, np.arange(40), ("a", "b", "c"))
    assert sets is None and "need 9 calibration patients each" in reason and "b 0" in reason


def test_members_come_by_probability():
    sets = ConformalSets(alpha=0.1, floors={"a": 0.3, "b": 0.2}, groups={"a": 20, "b": 20})
    assert sets.members({"a": 0.35, "b": 0.6, "c": 0.05}) == ["b", "a"]
    assert sets.members({"a": 0.1, "b": 0.1, "c": 0.8}) == []


def test_measured_coverage_counts_patients_evenly():
    table = make_table(patients=10, seed=4)
    predictions = read_predictions(table)
    sets = ConformalSets(alpha=0.1, floors=dict.fromkeys(LABELS, 0.0), groups=dict.fromkeys(LABELS, 20))
    resamples = draw_resamples(predictions.groups, n_resamples=50)
    everything = measure_coverage(predictions, sets, BASIS, resamples)
    assert {label: found.value for label, found in everything.by_class.items()} == dict.fromkeys(LABELS, 1.0)
    assert everything.decided.value == 0 and everything.accuracy_decided.value is None
    none = sets.model_copy(update={"floors": {LABELS[0]: 1.1, LABELS[1]: 1.1}})
    found = measure_coverage(predictions, none, BASIS, resamples)
    assert found.by_class[LABELS[0]].value == 0 and found.left_out == LABELS[2:]
    assert found.to_json()["promised"] == 0.9 and found.to_json()["fitted_on"]["groups"] == 50
