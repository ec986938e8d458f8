"""Comparing runs: on the same slices, patients drawn for both at once, never on the test part."""

import pytest

from pipeline.data.datasets import DatasetNotFoundError
from pipeline.evaluation.compare import (
    NotComparableError,
    compare_predictions,
    compare_runs,
    shared_datasets,
)
from pipeline.evaluation.predictions import read_predictions
from pipeline.runs import RunStore
from tests.evaluation.runs import make_evaluated, make_run
from tests.evaluation.tables import make_table


def _tables(**second):
    return read_predictions(make_table(patients=30)), read_predictions(make_table(patients=30, **second))


def test_a_run_does_not_differ_from_itself():
    found = compare_predictions(*_tables(), n_resamples=100)
    for estimate in (*found.differences.values(), *found.auc.values()):
        assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    assert set(found.delong_p.values()) == {1.0} and found.mcnemar_p == 1
    assert found.summary.startswith("No difference shown")


def test_the_difference_changes_sign_when_the_runs_are_swapped():
    one, other = _tables(skill=2.5)
    there = compare_predictions(one, other, n_resamples=200).differences["macro_auc"]
    back = compare_predictions(other, one, n_resamples=200).differences["macro_auc"]
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low), abs=1e-6
    )


def test_a_clear_difference_is_found_and_named():
    found = compare_predictions(*_tables(skill=4), names=("old", "new"), n_resamples=300)
    assert found.summary.startswith("new is better")
    assert found.differences["accuracy"].high < 0


def test_paired_draws_are_sharper_than_two_intervals_side_by_side():
    found = compare_predictions(*_tables(skill=1.8), n_resamples=400)
    a, b = (figures.accuracy for figures in found.figures)
    apart = (a.high - a.low) + (b.high - b.low)
    assert found.differences["accuracy"].high - found.differences["accuracy"].low < 0.7 * apart


def test_order_of_slices_and_classes_does_not_matter():
    table = make_table(patients=30, skill=2)
    columns = [*table.columns[:6], *reversed(table.columns[6:])]
    shuffled = read_predictions(table[columns].sample(frac=1, random_state=1))
    assert shuffled.labels != read_predictions(table).labels
    found = compare_predictions(read_predictions(table), shuffled, n_resamples=50)
    assert found.differences["macro_f1"].value == 0
    assert max(abs(e.value) for e in found.auc.values()) == 0


def test_only_common_slices_count():
    one, other = _tables(skill=2)
    found = compare_predictions(one, other.select(other.y_true == other.y_true[0]), n_resamples=20)
    assert found.n == int((other.y_true == other.y_true[0]).sum())
    assert found.left_out == 360 - found.n


def test_tables_without_anything_in_common():
    one, other = _tables()
    moved = read_predictions(make_table(patients=30).assign(slice_id=lambda t: "x" + t["slice_id"]))
    with pytest.raises(NotComparableError, match="no slice in common"):
        compare_predictions(one, moved)
    two = read_predictions(make_table(patients=30, labels=("negative", "positive")))
    with pytest.raises(NotComparableError, match="same classes"):
        compare_predictions(one, two)
    relabelled = make_table(patients=30)
    relabelled["y_true"] = "positive"
    with pytest.raises(NotComparableError, match="another reference label"):
        compare_predictions(one, read_predictions(relabelled))


def test_runs_are_compared_on_validation_and_never_on_test(runs_workspace):
    ids = [run.id for run in RunStore(runs_workspace).list() if run.name == "same"]
    found = compare_runs(runs_workspace, ids)
    assert found["part"] == "val" and len(found["runs"]) == 2
    assert found["differences"][0]["n"] == 16 * 12
    with pytest.raises(NotComparableError, match="no test part left"):
        compare_runs(runs_workspace, ids, part="test")
    with pytest.raises(NotComparableError, match="two different runs"):
        compare_runs(runs_workspace, ids[:1] * 2)


def test_runs_of_other_splits_are_compared_on_a_data_set_that_both_were_evaluated_on(workspace):
    first, second = make_run(workspace, "first"), make_run(workspace, "second", seed=3, dataset="clinic")
    with pytest.raises(NotComparableError, match="no slice in common.*--dataset NAME"):
        compare_runs(workspace, ["first", "second"])
    make_evaluated(workspace, "elsewhere", first, second)
    make_evaluated(workspace, "half", first)
    make_evaluated(workspace, "clinic", first, second)
    assert shared_datasets(workspace, (first, second)) == ["elsewhere"]
    found = compare_runs(workspace, ["first", "second"], dataset="elsewhere")
    assert (found["part"], found["dataset"]) == (None, "elsewhere")
    assert found["differences"][0]["summary"].startswith("second is better")
    with pytest.raises(NotComparableError, match=f"second was not.*evaluate {second.id[:8]} --dataset half"):
        compare_runs(workspace, ["first", "second"], dataset="half")
    with pytest.raises(NotComparableError, match="second learnt from clinic"):
        compare_runs(workspace, ["first", "second"], dataset="clinic")
    with pytest.raises(DatasetNotFoundError):
        compare_runs(workspace, ["first", "second"], dataset="nowhere")
