"""Agreement against scikit-learn and published numbers; what the model's opinion did to the readers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from pipeline.evaluation.intervals import wilson
from pipeline.review.agreement import agree, agreements, cohen_kappa, disagreements, influence


def _series(values):
    return pd.Series(values, index=[f"s{n}" for n in range(len(values))], dtype=object)


def test_kappa_of_a_published_table():
    """Cohen's own kind of example: 35 of 50 alike, chance 0.5 -> 0.4."""
    assert float(cohen_kappa(np.array([[20, 5], [10, 15]]))) == pytest.approx(0.4)


def test_kappa_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, 100), rng.integers(0, 3, 100)
    assert float(cohen_kappa(confusion_matrix(a, b))) == pytest.approx(cohen_kappa_score(a, b))


def test_slices_without_both_labels_are_left_out():
    found = agree(_series(["a", "b", None, "a"]), _series(["a", "a", "b", None]), _series(list("wxyz")))
    assert (found.n, found.percent.value) == (2, 0.5)
    none = agree(_series([None]), _series(["a"]), _series(["x"]))
    assert none.n == 0 and "no slice has both" in none.kappa.reason


def test_full_agreement_is_no_certainty():
    labels, groups = _series(["a", "b"] * 10), _series(np.repeat(range(10), 2))
    found = agree(labels, labels, groups)
    low = wilson(10, 10)[0]
    assert (found.percent.value, found.percent.low) == (1, pytest.approx(low))
    assert (found.kappa.value, found.kappa.low) == (1, pytest.approx((low - 0.5) / 0.5))


def test_one_label_throughout_has_no_kappa():
    found = agree(_series(["a"] * 6), _series(["a"] * 6), _series(range(6)))
    assert found.kappa.value is None and "same label" in found.kappa.reason


def _readings():
    """Six slices; the model says positive for all; the reference is positive for the first three."""
    return pd.DataFrame(
        {
            "reader": "A",
            "slice_id": [f"s{n}" for n in range(6)],
            "blind_label": ["positive", "negative", "negative", "negative", "negative", "positive"],
            "blind_corrected_to": [None, None, None, None, None, "negative"],
            "model_status": "ok",
            "model_label": "positive",
            "final_label": ["positive", "positive", "negative", "positive", "negative", "negative"],
        }
    )


REFERENCE = {f"s{n}": "positive" if n < 3 else "negative" for n in range(6)}


def test_what_the_opinion_did():
    found = influence(_readings(), REFERENCE)
    assert (found.n, found.unchanged, found.helped, found.harmed) == (5, 3, 1, 1)
    assert (found.followed_wrong, found.changed_otherwise) == (1, 0)


def test_every_reading_is_counted_once():
    readings = _readings()
    readings["final_label"] = [None, "other", "negative", "positive", "negative", "cannot judge"]
    found = influence(readings, REFERENCE | {"s4": None})
    assert found.n == found.unchanged + found.helped + found.harmed + found.changed_otherwise == 3
    assert sum(found.left_out.values()) == 3
    assert found.changed_otherwise == 1


def test_slices_that_readers_label_differently_are_listed():
    other = _readings().assign(reader="B")
    other.loc[2, ["blind_label", "final_label"]] = ["positive", "negative"]
    other.loc[3, ["blind_label", "final_label"]] = "cannot judge"
    found = disagreements(pd.concat([_readings(), other], ignore_index=True))
    assert found.to_dict("records") == [
        {"slice_id": "s2", "model_label": "positive", "A": "negative", "B": "positive, then negative"}
    ]


def test_readings_without_an_opinion_say_nothing_of_its_influence():
    readings = _readings()
    readings.loc[0, ["model_status", "model_label"]] = ["error", None]
    readings.loc[1, ["model_status", "model_label"]] = ["rejected", None]
    found = influence(readings, REFERENCE)
    assert (found.n, found.helped) == (3, 0)
    assert found.left_out == {"without an opinion of the model": 2, "with a corrected first label": 1}


def test_what_could_not_be_judged_counts_nowhere():
    readings = _readings()
    readings.loc[1, "blind_label"] = readings.loc[2, "final_label"] = "cannot judge"
    found = influence(readings, REFERENCE)
    assert (found.n, found.helped) == (3, 0)
    assert found.left_out["that the reader could not judge"] == 2
    named = {(a.first, a.second): a.n for a in agreements(readings, REFERENCE, {})}
    assert (named["A, first label", "reference"], named["A, final label", "reference"]) == (4, 5)


def test_a_first_label_corrected_after_the_opinion_is_not_blind():
    found = {(a.first, a.second): a for a in agreements(_readings(), REFERENCE, {})}
    assert found["A, first label", "reference"].n == 5
    assert found["A, final label", "reference"].n == 6
    assert found["A, first label", "reference"].percent.value == pytest.approx(3 / 5)
    assert found["A, final label", "reference"].percent.value == pytest.approx(4 / 6)
    assert found["A, first label", "A, final label"].percent.value == pytest.approx(3 / 5)


def test_readers_are_compared_on_the_slices_that_both_read():
    other = _readings().assign(reader="B").iloc[1:4]
    found = agreements(pd.concat([_readings(), other]), REFERENCE, {})
    pair = next(a for a in found if a.second == "B, first label")
    assert (pair.n, pair.percent.value) == (3, 1)
