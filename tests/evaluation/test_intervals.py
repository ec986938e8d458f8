"""Intervals: whole groups are drawn, few groups widen them, and they hold the truth as often as they say."""

import numpy as np
import pytest

from pipeline.evaluation.figures import compute_figures
from pipeline.evaluation.intervals import draw_resamples, estimate, group_sums, percentile_band, wilson
from pipeline.evaluation.predictions import read_predictions
from tests.evaluation.tables import make_table


def test_each_resample_draws_as_many_groups_as_there_are():
    drawn = draw_resamples(np.array([0, 0, 1, 2, 2, 2]), n_resamples=300, seed=1)
    assert drawn.weights.shape == (300, 3)
    assert (drawn.weights.sum(axis=1) == 3).all()
    assert drawn.weights.mean(axis=0) == pytest.approx(np.ones(3), abs=0.15)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    groups = np.arange(5)
    same = [draw_resamples(groups, n_resamples=20, seed=seed).weights for seed in (3, 3, 4)]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()


def test_sums_follow_the_groups():
    groups = np.array([0, 1, 1])
    rows = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    assert group_sums(rows, groups, 2).tolist() == [[1, 10], [5, 50]]
    drawn = draw_resamples(groups, n_resamples=8, seed=0)
    assert drawn.sums(rows)[:, 0].tolist() == (drawn.weights @ [1, 5]).tolist()


def test_wilson():
    assert wilson(95, 100) == pytest.approx((0.8883, 0.9785), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)


def test_all_right_is_no_certainty():
    """Every slice of ten patients right: the interval is Wilson's of 10 of 10 patients, not [1, 1]."""
    found = estimate(1.0, np.ones(500), groups=10)
    assert (found.low, found.high) == pytest.approx(wilson(10, 10))
    low, high = percentile_band(np.array([1.0, 0.5]), np.tile([1.0, 0.5], (50, 1)), groups=10)
    assert low[0] == pytest.approx(wilson(10, 10)[0])
    assert low[1] == high[1] == 0.5


def test_one_slice_wrong_is_no_more_certain_than_none():
    """Hardly a resample differs where one slice of ten patients is wrong: the interval stays Wilson's."""
    nearly = np.append(np.ones(480), np.full(20, 0.98))
    found, perfect = estimate(0.99, nearly, groups=10), estimate(1.0, np.ones(500), groups=10)
    assert found.low < perfect.low and found.high == pytest.approx(1.0, abs=0.01)
    low, _ = percentile_band(np.array([1.0, 0.99]), np.column_stack([np.ones(500), nearly]), groups=10)
    assert low[1] < low[0]


def test_too_few_groups_give_a_value_and_a_reason():
    found = estimate(0.8, np.full(100, 0.8), groups=2, unit="patient")
    assert found.to_json() == {
        "value": 0.8,
        "low": None,
        "high": None,
        "reason": "no interval from 2 patients; 5 are needed",
    }


def test_resamples_in_which_a_figure_is_not_defined_are_left_out():
    samples = np.append(np.linspace(0.4, 0.6, 99), np.full(20, np.nan))
    found = estimate(0.5, samples, groups=50)
    assert 0.39 < found.low < 0.5 < found.high < 0.61


def _repeated(table, times):
    many = table.loc[table.index.repeat(times)].reset_index(drop=True)
    many["slice_id"] = [f"s{place}" for place in range(len(many))]
    return many


def test_repeating_every_slice_moves_no_interval():
    """A clustered interval knows that copies are no new evidence."""
    table = make_table(patients=20, slices=6)
    once, often = (compute_figures(read_predictions(t)).to_json() for t in (table, _repeated(table, 5)))
    for name in ("accuracy", "macro_f1", "macro_auc"):
        assert often[name] == pytest.approx(once[name], abs=1e-6)
    for label, found in once["auc"].items():
        assert often["auc"][label] == pytest.approx(found, abs=1e-6)


def test_an_interval_over_slices_shrinks_with_copies():
    """The counter-example: with every slice its own group, copies look like evidence."""
    table = make_table(patients=20, slices=6).assign(patient_id=None)
    table["group"] = table["slice_id"]
    once = compute_figures(read_predictions(table)).accuracy
    many = _repeated(table, 9).assign(group=lambda t: t["slice_id"])
    often = compute_figures(read_predictions(many)).accuracy
    assert (once.high - once.low) / (often.high - often.low) == pytest.approx(3, rel=0.1)


def test_intervals_of_ten_patients_hold_the_truth():
    """Nominal 95 %; plain percentiles hold it in 88 % of such samples, the expanded ones in 94 %."""
    truth = (
        compute_figures(read_predictions(make_table(patients=4000, seed=99)), n_resamples=5)
        .per_class["positive"]
        .auc.value
    )
    held = []
    for seed in range(120):
        table = read_predictions(make_table(patients=10, seed=seed))
        auc = compute_figures(table, n_resamples=400, seed=seed).per_class["positive"].auc
        held.append(auc.low <= truth <= auc.high)
    assert np.mean(held) >= 0.90
