"""How often a class is found and cleared, by slice and by patient."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.calling import ANY_SLICE, HIGHEST, SERIES, find_callings
from pipeline.evaluation.evaluate import evaluate_table
from pipeline.evaluation.intervals import draw_resamples
from pipeline.evaluation.metrics import recall
from pipeline.evaluation.predictions import read_predictions
from pipeline.inference.calibrated import OperatingPoint
from tests.evaluation.tables import make_table

# Of each patient: reference label, then P(negative), P(non-informative), P(positive) of each slice.
PATIENTS = {
    "found by one slice": ("positive", [(0.8, 0.1, 0.1), (0.4, 0.1, 0.5)]),
    "found by both": ("positive", [(0.1, 0.1, 0.8), (0.3, 0.1, 0.6)]),
    "missed": ("positive", [(0.6, 0.1, 0.3), (0.7, 0.1, 0.2)]),
    "one false alarm": ("negative", [(0.9, 0.0, 0.1), (0.2, 0.2, 0.6)]),
    "cleared": ("negative", [(0.9, 0.0, 0.1), (0.0, 0.6, 0.4)]),
}
POINT = OperatingPoint(label="positive", threshold=0.25, target=0.9, sensitivity=0.9, specificity=0.8)


def _predictions(**columns):
    rows = [
        {
            "slice_id": f"{patient} {number}",
            "patient_id": patient,
            "y_true": label,
            "probability_negative": negative,
            "probability_non-informative": blind,
            "probability_positive": positive,
        }
        for patient, (label, slices) in PATIENTS.items()
        for number, (negative, blind, positive) in enumerate(slices)
    ]
    return read_predictions(pd.DataFrame(rows).assign(**columns))


def _rates(predictions, **options):
    drawn = draw_resamples(predictions.groups, n_resamples=50)
    found = find_callings(predictions, "positive", drawn, **options)
    return {
        (one.unit, one.rule): (one.sensitivity.value, one.specificity.value, one.n_with, one.n_without)
        for one in found
    }


def test_slices_and_patients_are_counted_for_themselves():
    found = _rates(_predictions())
    assert found == {
        ("slice", HIGHEST): (0.5, 0.75, 6, 4),
        ("patient", ANY_SLICE): (pytest.approx(2 / 3), 0.5, 3, 2),
        ("patient", SERIES): (pytest.approx(1 / 3), 1.0, 3, 2),
    }


def test_the_operating_point_is_tried_on_slices_that_it_was_not_chosen_on():
    found = _rates(_predictions(), point=POINT)
    slices = next(rates for (unit, rule), rates in found.items() if unit == "slice" and "0.25" in rule)
    patients = next(rates for (unit, rule), rates in found.items() if unit == "patient" and "0.25" in rule)
    assert slices == (pytest.approx(4 / 6), 0.5, 6, 4)
    assert patients == (1.0, 0.0, 3, 2)


def test_refused_slices_do_not_count_in_the_answer_for_a_series():
    predictions = _predictions(rejected=[name == "missed" for name in PATIENTS for _ in range(2)])
    drawn = draw_resamples(predictions.groups, n_resamples=20)
    series = next(one for one in find_callings(predictions, "positive", drawn) if one.rule == SERIES)
    assert series.sensitivity.value == pytest.approx(1 / 3), "without a slice there is no answer: missed"


def test_where_patients_are_not_known_nothing_is_said_of_them():
    predictions = read_predictions(make_table(patients=20, known_patients=False))
    drawn = draw_resamples(predictions.groups, n_resamples=20)
    assert {one.unit for one in find_callings(predictions, "positive", drawn)} == {"slice"}


def test_by_slice_it_is_the_recall_of_the_report_with_its_interval():
    predictions = read_predictions(make_table(patients=40))
    found = evaluate_table(predictions, n_resamples=100)
    by_slice = found.callings[0]
    assert by_slice.sensitivity == found.figures.per_class["positive"].recall
    assert by_slice.specificity == found.figures.per_class["positive"].specificity
    assert by_slice.sensitivity.value == recall(found.figures.confusion.astype(float))[2]
    said = found.to_json()["calling"]
    assert said["class"] == "positive" and said["rules"][1]["counted_by"] == "patient"
    patients = predictions.table.groupby("patient_id")["y_true"].agg(lambda labels: "positive" in set(labels))
    assert said["rules"][1]["sensitivity"]["n"] == int(patients.sum())


def test_patients_of_one_group_are_drawn_together():
    """A group of alike slices may join patients; their rows are resampled as one."""
    table = make_table(patients=20).assign(group=lambda t: np.arange(len(t)) // 24)
    predictions = read_predictions(table)
    assert predictions.n_groups == 10
    drawn = draw_resamples(predictions.groups, n_resamples=50)
    by_patient = find_callings(predictions, "positive", drawn)[1]
    assert by_patient.n_with + by_patient.n_without == 20 and by_patient.carriers == 10
