"""DeLong against pROC's published example and against what can be counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.delong import delong, mcnemar


@pytest.fixture(scope="module")
def asah() -> pd.DataFrame:
    """Outcome and three predictors of 113 patients (Turck et al., Intensive Care Medicine 2010, 36:107)."""
    return pd.read_csv(Path(__file__).with_name("asah.csv"))


def test_four_rows_by_hand():
    found = delong(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    assert found.aucs[0] == pytest.approx(0.75)
    assert found.covariance[0, 0] == pytest.approx(0.125)


def test_agrees_with_proc_on_its_own_example(asah):
    poor = (asah["outcome"] == "Poor").to_numpy()
    found = delong(poor, *(asah[name].to_numpy(float) for name in ("wfns", "ndka", "s100b")))
    assert found.aucs[:2] == pytest.approx([0.823678861788618, 0.611957994579946], abs=1e-14)
    assert found.covariance[0, 0] == pytest.approx(0.00146991470882363, abs=1e-16)
    assert found.covariance[1, 1] == pytest.approx(0.0031908105493913, abs=1e-15)
    assert found.covariance[0, 1] == pytest.approx(-0.000532967856762438, abs=1e-16)
    assert found.interval(1) == pytest.approx((0.501245, 0.722671), abs=1e-6)
    z, p = found.compare(0, 2)
    assert z == pytest.approx(2.20898359144091, abs=1e-12)
    assert p == pytest.approx(0.0271757822291882, abs=1e-12)


def test_a_score_does_not_differ_from_itself():
    scores = np.random.default_rng(0).normal(size=50)
    assert delong(np.arange(50) < 20, scores, scores).compare() == (0.0, 1.0)


def test_one_row_of_a_kind_has_no_variance():
    with pytest.raises(ValueError, match="two rows of each kind"):
        delong(np.array([True, False, False]), np.arange(3.0))


def test_mcnemar_counts_only_where_the_two_differ():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    second = np.array([1, 0, 0, 0, 0, 0, 1, 0], bool)
    assert mcnemar(first, second) == (5, 1, pytest.approx(2 * (1 + 6) / 2**6))
    assert mcnemar(first, first)[2] == 1.0
