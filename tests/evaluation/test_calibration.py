"""Calibration: the published small example, scikit-learn's losses, and what calibrated scores must give."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.evaluation.calibration import calibration_figures, expected_calibration_error, reliability
from pipeline.evaluation.intervals import draw_resamples
from pipeline.evaluation.predictions import read_predictions
from tests.evaluation.tables import make_table


def test_twenty_rows_by_hand():
    confidence = np.repeat([0.9, 0.6], 10)
    right = np.array([1] * 8 + [0] * 2 + [1] * 7 + [0] * 3, bool)
    assert expected_calibration_error(confidence, right) == pytest.approx(0.10)


def test_a_value_on_an_edge_belongs_to_the_lower_bin():
    assert expected_calibration_error(np.array([0.3, 0.3]), np.array([True, False])) == pytest.approx(0.2)
    one_bin = expected_calibration_error(np.array([0.25, 0.3]), np.array([True, False]))
    assert one_bin == pytest.approx(abs(0.275 - 0.5))


def test_losses_agree_with_scikit_learn():
    table = read_predictions(make_table(patients=10))
    found = calibration_figures(table, draw_resamples(table.groups, n_resamples=50))
    truth = pd.get_dummies(table.y_true).to_numpy(float)
    assert found.log_loss.value == pytest.approx(log_loss(truth, table.probabilities))
    each = sum(brier_score_loss(truth[:, c], table.probabilities[:, c]) for c in range(3))
    assert found.brier.value == pytest.approx(each)
    assert found.ece.low <= found.ece.value <= found.ece.high


def test_labels_drawn_from_the_probabilities_are_calibrated():
    rng = np.random.default_rng(1)
    n = 20_000
    p = rng.random(n)
    table = read_predictions(
        pd.DataFrame(
            {
                "slice_id": np.arange(n).astype(str),
                "y_true": np.where(rng.random(n) < p, "b", "a"),
                "probability_a": 1 - p,
                "probability_b": p,
            }
        )
    )
    drawn = draw_resamples(table.groups, n_resamples=60)
    assert calibration_figures(table, drawn).ece.value < 0.02
    bins = reliability(table, "b", drawn)
    assert len(bins) == 10 and sum(found.n for found in bins) == n
    for found in bins:
        assert found.frequency.value == pytest.approx(found.mean_probability, abs=0.05)


def test_empty_bins_are_left_out():
    table = read_predictions(
        pd.DataFrame({"slice_id": ["1", "2"], "y_true": ["a", "b"], "probability_a": [0.95, 0.05],
                      "probability_b": [0.05, 0.95]})
    )  # fmt: skip
    bins = reliability(table, "b", draw_resamples(table.groups, n_resamples=10))
    assert [(found.low_edge, found.n, found.frequency.value) for found in bins] == [(0, 1, 0), (0.9, 1, 1)]
    assert "needed" in bins[0].frequency.reason
