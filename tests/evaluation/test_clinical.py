"""Predictive values and net benefit against published numbers."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.calling import find_callings
from pipeline.evaluation.clinical import (
    decision_curve,
    predictive_values,
    predictive_values_of,
    treat_all_benefit,
)
from pipeline.evaluation.intervals import draw_resamples
from pipeline.evaluation.predictions import read_predictions
from tests.evaluation.tables import make_table


def _by_slice(predictions, resamples):
    return find_callings(predictions, "positive", resamples)[0]


def test_bayes_rule():
    assert predictive_values(0.9, 0.95, 0.1) == pytest.approx((0.6667, 0.9884), abs=1e-4)


def test_treating_all():
    found = treat_all_benefit(0.14, np.array([0.10, 0.15, 0.20]))
    assert found == pytest.approx([0.044444, -0.011765, -0.075], abs=1e-6)


def test_predictive_values_at_the_tables_own_prevalence_are_those_of_its_counts():
    table = read_predictions(make_table(patients=30))
    positive, called = table.y_true == 2, table.y_pred == 2
    calling = _by_slice(table, draw_resamples(table.groups, n_resamples=200))
    found = predictive_values_of(calling, float(positive.mean()))
    assert found.ppv.value == pytest.approx(positive[called].mean())
    assert found.npv.value == pytest.approx((~positive)[~called].mean())
    assert found.ppv.low < found.ppv.value < found.ppv.high


def test_ppv_falls_and_npv_rises_as_disease_gets_rarer():
    table = read_predictions(make_table(patients=30))
    calling = _by_slice(table, draw_resamples(table.groups, n_resamples=50))
    found = [predictive_values_of(calling, p) for p in (0.5, 0.2, 0.05)]
    assert found[0].ppv.value > found[1].ppv.value > found[2].ppv.value
    assert found[0].npv.value < found[1].npv.value < found[2].npv.value


def test_no_false_alarm_seen_is_no_promise_where_disease_is_rare():
    """Ten patients, all right: PPV is 1, but at one in a hundred it may well be below one in ten."""
    table = read_predictions(make_table(patients=10, skill=60))
    found = predictive_values_of(_by_slice(table, draw_resamples(np.repeat(np.arange(10), 12))), 0.01)
    assert found.ppv.value == 1
    assert found.ppv.low < 0.1


def test_net_benefit_counts_hits_and_alarms():
    truth = np.array([1, 1, 0, 0, 0])
    score = np.array([0.9, 0.2, 0.8, 0.1, 0.1])
    table = read_predictions(
        pd.DataFrame(
            {"slice_id": list("abcde"), "y_true": np.where(truth, "p", "n"), "probability_n": 1 - score,
             "probability_p": score}
        )
    )  # fmt: skip
    found = decision_curve(
        table, "p", draw_resamples(table.groups, n_resamples=20), thresholds=np.array([0.05, 0.5])
    )
    assert found.model[1] == pytest.approx(1 / 5 - 1 / 5 * 1)
    assert found.model[0] == pytest.approx(found.treat_all[0])  # below every score all are called
    assert found.prevalence == 0.4
    assert np.isnan(found.low).all()  # two patients with the class are too few for a band


def test_the_band_contains_the_curve():
    table = read_predictions(make_table(patients=30))
    found = decision_curve(table, "positive", draw_resamples(table.groups, n_resamples=300))
    assert (found.low <= found.model + 1e-6).all() and (found.model <= found.high + 1e-6).all()
