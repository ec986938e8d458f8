"""Figures against scikit-learn, on all rows and in resamples."""

import numpy as np
import pytest
from sklearn import metrics as reference

from pipeline.evaluation import metrics
from pipeline.evaluation.intervals import draw_resamples


@pytest.fixture
def calls():
    rng = np.random.default_rng(5)
    y_true = rng.integers(0, 3, 200)
    return y_true, np.where(rng.random(200) < 0.6, y_true, rng.integers(0, 3, 200))


@pytest.fixture
def scored():
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(25), 8)
    positive = groups % 3 == 0
    scores = np.round(rng.normal(size=200) + positive, 1)  # rounded: many ties
    return scores, positive, groups


def test_confusion_figures_agree_with_scikit_learn(calls):
    y_true, y_pred = calls
    table = metrics.one_hot_confusion(y_true, y_pred, 3).sum(0)
    assert (table == reference.confusion_matrix(y_true, y_pred)).all()
    precision, recall, f1, _ = reference.precision_recall_fscore_support(y_true, y_pred)
    assert metrics.precision(table) == pytest.approx(precision)
    assert metrics.recall(table) == pytest.approx(recall)
    assert metrics.f1(table) == pytest.approx(f1)
    assert float(metrics.accuracy(table)) == pytest.approx(reference.accuracy_score(y_true, y_pred))
    others = [reference.recall_score(y_true != c, y_pred != c) for c in range(3)]
    assert metrics.specificity(table) == pytest.approx(others)


def test_figures_of_a_small_table_by_hand():
    table = np.array([[8, 2], [1, 9]])
    assert float(metrics.accuracy(table)) == 0.85
    assert metrics.recall(table).tolist() == [0.8, 0.9]
    assert metrics.precision(table) == pytest.approx([8 / 9, 9 / 11])


def test_what_is_not_defined_is_nan_and_stays_out_of_the_mean():
    table = np.array([[5, 0, 0], [0, 5, 0], [0, 0, 0]])
    assert np.isnan(metrics.recall(table)[2]) and np.isnan(metrics.f1(table)[2])
    assert float(metrics.macro(metrics.f1(table), np.array([True, True, False]))) == 1


def test_auc_agrees_with_scikit_learn_with_ties_and_weights(scored):
    scores, positive, _ = scored
    weights = np.random.default_rng(0).integers(0, 4, 200)
    assert metrics.auc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores))
    expected = reference.roc_auc_score(positive, scores, sample_weight=weights)
    assert metrics.auc(scores, positive, weights) == pytest.approx(expected)


def test_auc_of_one_kind_is_not_defined():
    assert np.isnan(metrics.auc(np.arange(4.0), np.ones(4, bool)))


@pytest.mark.parametrize("limit", [metrics.PAIRS_LIMIT, 0], ids=["pairs of groups", "sorted rows"])
def test_resampled_aucs_are_those_of_the_drawn_rows(scored, limit, monkeypatch):
    monkeypatch.setattr(metrics, "PAIRS_LIMIT", limit)
    scores, positive, groups = scored
    drawn = draw_resamples(groups, n_resamples=30, seed=2)
    found = metrics.auc_samples(scores, positive, drawn)
    expected = [
        reference.roc_auc_score(positive, scores, sample_weight=weights[groups]) for weights in drawn.weights
    ]
    assert found == pytest.approx(expected, abs=1e-6)


def test_average_precision_agrees_with_scikit_learn(scored):
    scores, positive, _ = scored
    assert metrics.average_precision(scores, positive) == pytest.approx(
        reference.average_precision_score(positive, scores)
    )
