"""The verdict is conservative: what is synthetic, leaked or unmeasured never reads as fit."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.evaluation.evaluate import evaluate_table
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.verdict import Circumstances
from tests.evaluation.tables import make_table

BEST = Circumstances(
    part="test",
    synthetic=False,
    group_by="patient",
    shared_patients=0,
    calibrated=True,
    openings=1,
    split_runs=1,
)


@pytest.fixture(scope="module")
def good():
    """A model that is right nearly always, on 220 patients from two hospitals."""
    return read_predictions(make_table(patients=220, slices=4, skill=9))


def _lines(predictions, circumstances):
    found = evaluate_table(predictions, circumstances=circumstances, n_resamples=100).verdict
    return {line.claim: line for line in found.lines}, found.summary


def _status(predictions, circumstances, beginning):
    lines, _ = _lines(predictions, circumstances)
    return next(line for claim, line in lines.items() if claim.startswith(beginning))


def test_the_best_that_can_be_said(good):
    lines, summary = _lines(good, replace(BEST, part=None, external=True, own_slices=0, other_sources=True))
    unknown = [line.claim for line in lines.values() if line.status != "met"]
    assert unknown == ["Patients fare better with it than without it"]
    assert summary.startswith("Worth a prospective study")


def test_phantoms_are_never_fit(good):
    _, summary = _lines(good, replace(BEST, synthetic=True, external=True))
    assert summary.startswith("Not fit: the task is synthetic")


def test_a_model_of_phantoms_is_never_fit_for_patients(good):
    _, summary = _lines(good, replace(BEST, synthetic_model=True, part=None, external=True))
    assert summary.startswith("Not fit: the model learned from phantoms")


def test_its_own_data_set_alone_does_not_show_fitness(good):
    _, summary = _lines(good, BEST)
    assert summary.startswith("Not shown to be fit")


@pytest.mark.parametrize(
    ("change", "claim", "status"),
    [
        ({"part": "val"}, "Tested on patients that", "not met"),
        ({"shared_patients": 3}, "Tested on patients that", "not met"),
        ({"shared_slices": 2}, "Tested on patients that", "not met"),
        ({"group_by": "none"}, "Tested on patients that", "not met"),
        ({"shared_patients": None}, "Tested on patients that", "not known"),
        ({"calibrated": False}, "Probabilities", "not met"),
        ({"calibrated": None}, "Probabilities", "not known"),
        ({"openings": 2}, "The test part", "not met"),
        ({"split_runs": 5}, "The test part", "not met"),
        ({"synthetic": None}, "Learned from", "not known"),
        ({"synthetic_model": True}, "Learned from", "not met"),
    ],
)
def test_each_doubt_has_its_line(good, change, claim, status):
    assert _status(good, replace(BEST, **change), claim).status == status


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"own_slices": 24, "other_sources": True}, "not met", "24 of these slices are in the run's own"),
        ({"own_slices": 0, "other_sources": None}, "not known", "`source`"),
        ({"own_slices": 0, "other_sources": False}, "not met", "the training's have too"),
        ({"own_slices": 0, "shared_patients": 2}, "not met", "Patients of the training"),
        ({"own_slices": 0, "other_sources": True}, "met", "none of the training's"),
    ],
)
def test_another_name_does_not_make_a_data_set_come_from_elsewhere(good, change, status, said):
    line = _status(good, replace(BEST, part=None, external=True, **change), "Tested on a data set")
    assert line.status == status and said in line.evidence


def test_unknown_patients_are_not_known_to_be_unseen():
    predictions = read_predictions(make_table(patients=30, known_patients=False))
    assert _status(predictions, BEST, "Tested on patients that").status == "not known"
    assert "Patients unknown" in _status(predictions, BEST, "At least").evidence


def test_a_weak_or_uncertain_model_does_not_discriminate():
    weak = read_predictions(make_table(patients=220, slices=4, skill=0.3))
    assert _status(weak, BEST, "AUC").status == "not met"
    few = read_predictions(make_table(patients=4, slices=8, skill=9))
    assert _status(few, BEST, "AUC").status == "not known"


def test_the_worst_subgroup_counts():
    line = _status(_in_parts(("here", 120, 9), ("there", 40, 0.0)), BEST, "No subgroup")
    assert line.status == "not met" and "source: there" in line.evidence


def _in_parts(*parts):
    """Return a table of parts (source, patients, skill) whose patients differ."""
    tables = []
    for number, (source, patients, skill) in enumerate(parts):
        table = make_table(patients=patients, slices=6, skill=skill, seed=number).assign(source=source)
        names = {name: f"{number}-" + table[name] for name in ("slice_id", "patient_id", "group")}
        tables.append(table.assign(**names))
    return read_predictions(pd.concat(tables, ignore_index=True))


@pytest.mark.parametrize("few", [3, 12])
def test_a_source_of_few_patients_is_not_known_however_good(few):
    """More evidence for it does not turn what is not known into what is not met."""
    line = _status(_in_parts(("here", 220, 9), ("rare", few, 9)), BEST, "No subgroup")
    assert line.status == "not known" and "source: rare" in line.evidence
    assert "too uncertain to tell" in line.evidence


def test_calibration_is_judged_by_the_worst_class():
    """The called class comes true as promised, six times in ten; the rest is promised to the wrong class."""
    count = 500
    table = pd.DataFrame(
        {
            "slice_id": [str(number) for number in range(count)],
            "patient_id": [str(number) for number in range(count)],
            "y_true": ["a" if number % 5 < 3 else "c" for number in range(count)],
            "probability_a": 0.6,
            "probability_b": 0.4,
            "probability_c": 0.0,
        }
    )
    found = evaluate_table(read_predictions(table), circumstances=BEST, n_resamples=100)
    assert found.calibration.ece.value == pytest.approx(0)
    errors = {label: error.value for label, error in found.calibration.by_class.items()}
    assert errors == {"a": pytest.approx(0), "c": pytest.approx(0.4)}, "b is absent"
    line = next(line for line in found.verdict.lines if line.claim.startswith("Probabilities"))
    assert line.status == "not met" and "worst of c: 0.400" in line.evidence
