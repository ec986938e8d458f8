"""Readers' sensitivity and specificity, before and after the opinion, on slices whose answer can be seen."""

import pandas as pd
import pytest

from pipeline.evaluation.intervals import wilson
from pipeline.review.accuracy import reader_accuracy

REFERENCE = {f"s{n}": "positive" if n < 5 else "negative" if n < 9 else "other" for n in range(10)}


def _readings(first, final):
    return pd.DataFrame(
        {
            "reader": "A",
            "slice_id": [f"s{n}" for n in range(10)],
            "blind_label": first,
            "blind_corrected_to": None,
            "model_status": "ok",
            "model_label": "positive",
            "final_label": final,
        },
        dtype=object,
    )


FIRST = ["positive"] * 3 + ["negative"] * 7
FINAL = ["positive"] * 6 + ["other"] * 4  # another class is not the disease, whichever it is


def test_before_and_after_are_of_the_same_slices():
    readings = _readings(FIRST, FINAL)
    readings.loc[0, ["model_status", "model_label"]] = ["error", None]
    before, after = reader_accuracy(readings, REFERENCE, {}, label="positive")
    assert (before.after, after.after) == (False, True)
    assert (before.n_with, before.n_without) == (after.n_with, after.n_without) == (4, 5)
    assert (before.sensitivity.value, before.specificity.value) == (0.5, 1.0)
    assert (after.sensitivity.value, after.specificity.value) == (1.0, 0.8)


def test_a_figure_at_its_bound_has_wilsons_interval():
    after = reader_accuracy(_readings(FIRST, FINAL), REFERENCE, {}, label="positive")[1]
    assert after.sensitivity.low == pytest.approx(wilson(5, 5)[0])


def test_slices_of_few_patients_have_no_interval():
    groups = {slice_id: "p1" for slice_id in REFERENCE}
    found = reader_accuracy(_readings(FIRST, FINAL), REFERENCE, groups, label="positive")[0]
    assert found.sensitivity.value == 0.6 and "1 patient" in found.sensitivity.reason


def test_without_a_slice_of_the_class_there_is_no_sensitivity():
    found = reader_accuracy(
        _readings(FIRST, FINAL), dict.fromkeys(REFERENCE, "negative"), {}, label="positive"
    )
    assert found[0].sensitivity.value is None and "no slice of class positive" in found[0].sensitivity.reason
    assert reader_accuracy(_readings(FIRST, FINAL).iloc[:0], REFERENCE, {}, label="positive") == []
