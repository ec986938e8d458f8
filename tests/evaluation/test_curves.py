"""ROC and precision-recall curves against scikit-learn; bands that contain them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from pipeline.evaluation.curves import CurveUndefinedError, precision_recall_curve, roc_curve
from pipeline.evaluation.intervals import draw_resamples, wilson
from pipeline.evaluation.predictions import read_predictions
from tests.evaluation.tables import make_table


@pytest.fixture(scope="module")
def table():
    return read_predictions(make_table(patients=30))


@pytest.fixture(scope="module")
def drawn(table):
    return draw_resamples(table.groups, n_resamples=400)


def test_roc_agrees_with_scikit_learn(table, drawn):
    found = roc_curve(table, "positive", drawn)
    fpr, tpr, _ = reference.roc_curve(table.y_true == 2, table.probabilities[:, 2])
    grid = np.linspace(0, 1, 301)
    assert np.interp(grid, found.x, found.y) == pytest.approx(np.interp(grid, fpr, tpr))
    assert found.area.value == pytest.approx(reference.auc(fpr, tpr))
    assert (found.x[0], found.y[0], found.x[-1], found.y[-1]) == (0, 0, 1, 1)


def test_precision_recall_agrees_with_scikit_learn(table, drawn):
    found = precision_recall_curve(table, "positive", drawn)
    precision, recall, _ = reference.precision_recall_curve(table.y_true == 2, table.probabilities[:, 2])
    for x, y in zip(found.x, found.y, strict=True):
        assert np.min(np.abs(recall - x) + np.abs(precision - y)) < 1e-9
    assert found.area.value == pytest.approx(
        reference.average_precision_score(table.y_true == 2, table.probabilities[:, 2])
    )
    assert found.area.low < found.area.value < found.area.high
    assert found.baseline == pytest.approx((table.y_true == 2).mean())


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_bands_contain_their_curve_and_stay_in_bounds(table, drawn, curve):
    found = curve(table, "negative", drawn)
    assert found.grid.shape == found.low.shape == found.high.shape
    assert (found.low <= found.high).all()
    assert (0 <= found.low).all() and (found.high <= 1).all()
    assert np.median(found.high - found.low) > 0.05


def test_a_perfect_curve_has_a_band_all_the_same(drawn):
    perfect = read_predictions(make_table(patients=30, skill=60))
    found = roc_curve(perfect, "positive", drawn)
    assert found.area.value == 1
    assert found.area.low == pytest.approx(wilson(15, 15)[0])
    assert found.low[50] == pytest.approx(wilson(15, 15)[0])


def test_a_class_that_is_absent_or_alone_has_no_curve(table, drawn):
    others = table.select(table.y_true != 2)
    with pytest.raises(CurveUndefinedError, match="no slice of class positive"):
        roc_curve(others, "positive", draw_resamples(others.groups, n_resamples=5))
    alone = table.select(table.y_true == 2)
    with pytest.raises(CurveUndefinedError, match="every slice"):
        precision_recall_curve(alone, "positive", draw_resamples(alone.groups, n_resamples=5))
