"""The answer for a whole series: which slices count, what their mean says, and when there is none."""

from pathlib import Path

import pytest

from pipeline.data.inputs import InputSlice
from pipeline.inference.case import SYNTHETIC, SeriesSlice, judge_case, position_text
from pipeline.notice import NOTICE


def one(location, positive=0.5, *, left_out="", status="ok", patient="p1", lung=0.3, name="a.dcm"):
    """Return a slice of a model with two classes and the non-informative one."""
    scores = {"negative": 0.9 - positive, "non-informative": 0.1, "positive": positive}
    line = {
        "status": status, "reason": "because", "probabilities": scores, "calibrated": True,
        "label": max(scores, key=lambda label: scores[label]), "lungs": {"share_of_body": lung},
    }  # fmt: skip
    if status == "error":
        line |= {"probabilities": {}, "label": None, "lungs": None, "calibrated": False}
    source = InputSlice(Path(name), location=location)
    return SeriesSlice(source, line, left_out or ("unreadable" if status == "error" else ""), patient)


def test_the_answer_is_the_mean_of_the_slices_that_count():
    slices = [
        one(30.0, 0.8),
        one(20.0, 0.6),
        one(10.0, 0.0, left_out="little-lung"),
        one(0.0, 0.9, left_out="unlike", status="rejected"),
    ]
    case = judge_case("ct", slices)
    assert case.label == "positive" and case.means == pytest.approx(
        {"negative": 0.2, "non-informative": 0.1, "positive": 0.7}
    )
    assert case.left_out == ("", "", "little-lung", "unlike") and case.counts == {"positive": 2}
    assert case.left_out_words() == "1 unlike the training, 1 too little lung in view"


def test_the_rule_and_what_it_does_not_know_go_with_the_answer():
    found = judge_case("ct", [one(30.0, 0.8), one(20.0, 0.6)]).to_json()
    assert found["rule"].startswith("Rule: the class with the greatest mean probability over the slices that")
    assert "non-informative itself is never chosen" in found["rule"]
    assert "not validated on patients" in found["rule"] and found["validated_on_patients"] is False
    assert (found["n"], found["used"], found["notice"]) == (2, 2, NOTICE)
    assert [each["position_mm"] for each in found["slices"]] == [30.0, 20.0]


def test_a_series_is_never_called_non_informative_by_slices_that_count():
    slices = [one(2.0, 0.45), one(1.0, 0.44)]
    for each in slices:
        each.probabilities.update({"negative": 0.1, "non-informative": 0.46, "positive": 0.44})
    assert judge_case("ct", slices).label == "positive"


def test_each_position_counts_once():
    slices = [one(20.0, 0.0), one(10.0, 0.8), one(10.0, 0.1), one(10.004, 0.1)]
    case = judge_case("ct", slices)
    assert case.left_out == ("", "", "repeated", "repeated")
    assert any("2 slices lie where another one does" in note for note in case.notes)
    assert case.means["positive"] == pytest.approx(0.4)


def test_missing_slices_are_told_with_their_place():
    case = judge_case("ct", [one(at) for at in (0.0, -5.0, -10.0, -30.0, -35.0)])
    (note,) = case.notes
    assert "About 3 slices seem to be missing" in note and "usual step is 5.0 mm" in note
    assert "between −10.0 mm and −30.0 mm it is 20.0 mm" in note


def test_evenly_spaced_slices_need_no_note():
    assert judge_case("ct", [one(at) for at in (9.0, 6.1, 3.0, 0.0)]).notes == ()


def test_of_two_steps_neither_is_the_usual_one():
    assert judge_case("ct", [one(at) for at in (176.0, 160.0, 0.0)]).notes == ()
    repeated = judge_case("ct", [one(at) for at in (176.0, 160.0, 160.0, 0.0)])
    assert not any("usual step" in note for note in repeated.notes), "a repeated position is no step"
    assert (
        "usual step is 16.0 mm" in judge_case("ct", [one(at) for at in (192.0, 176.0, 160.0, 0.0)]).notes[0]
    )


def test_slices_of_two_patients_are_no_case():
    case = judge_case("ct", [one(2.0), one(1.0, patient="p2")])
    assert case.label is None and case.means == {} and "Slices of 2 patients" in case.reason
    assert case.to_json()["status"] == "none"


def test_patients_that_are_unknown_are_not_two():
    assert judge_case("ct", [one(2.0), one(1.0, patient=None)]).label is not None


def test_one_slice_is_called_no_series():
    case = judge_case("ct", [one(2.0, 0.7)])
    assert case.label == "positive" and "One slice is no series" in case.notes[0]


def test_unknown_positions_are_said_and_numbers_stand_for_them():
    some = judge_case("ct", [one(2.0), one(None)])
    none = judge_case("ct", [one(None), one(None)])
    assert "1 of 2 slices have no position" in some.notes[0] and "No slice has a position" in none.notes[0]
    assert not some.has_positions and none.to_json()["position"] == "number"


def test_where_nothing_can_be_read_the_first_reason_is_given():
    case = judge_case("ct", [one(None, status="error"), one(None, status="error")])
    assert case.label is None and case.reason.startswith(
        "None of its 2 slices can be read. The first: because"
    )


def test_where_no_slice_counts_the_reasons_are_counted():
    slices = [one(at, left_out="unlike", status="rejected") for at in (3.0, 2.0)]
    case = judge_case("ct", [*slices, one(1.0, left_out="little-lung")])
    assert case.label is None
    assert case.reason == "No slice counts: of 3, 2 unlike the training, 1 too little lung in view."


def test_a_model_of_phantoms_says_so_beside_its_answer():
    slices = [one(2.0), one(1.0)]
    assert judge_case("ct", slices, synthetic=True).notes == (SYNTHETIC,)


def test_a_position_is_written_with_a_minus_sign():
    assert position_text(-210.46) == "−210.5 mm"
