"""The predictions table: what is taken, and what is refused with which advice."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.predictions import PredictionsError, load_predictions, read_predictions
from tests.evaluation.tables import LABELS, make_table


def test_a_runs_table_is_read_in_the_order_of_its_columns():
    table = make_table(patients=6, slices=4)
    found = read_predictions(table)
    assert found.labels == LABELS
    assert [LABELS[code] for code in found.y_true] == table["y_true"].tolist()
    assert (found.patients, found.n_groups, found.patients_known, found.unit) == (6, 6, True, "patient")
    assert found.subgroup_columns == ["source"]
    assert not found.has_gate
    assert found.logits().shape == (24, 3)


def test_the_given_table_is_not_changed():
    table = make_table(patients=4, slices=4).drop(columns="patient_id")
    before = table.copy()
    read_predictions(table)
    pd.testing.assert_frame_equal(table, before)


def test_unknown_patients_are_counted_as_none():
    found = read_predictions(make_table(patients=6, slices=4, known_patients=False))
    assert (found.patients, found.patients_known, found.unit, found.n_groups) == (0, False, "group", 12)


def test_groups_that_cut_a_patient_are_joined():
    """A split by slices knows no patients; resampling does: one patient is one unit whatever was split."""
    table = make_table(patients=5, slices=4)
    table["group"] = table["slice_id"]
    assert read_predictions(table).n_groups == 5


def test_clusters_join_patients():
    table = make_table(patients=4, slices=3)
    table.loc[table["patient_id"].isin(["P000", "P001"]), "group"] = "C-1"
    assert read_predictions(table).n_groups == 3


def test_without_group_and_patient_each_slice_stands_alone():
    table = make_table(patients=3, slices=4).drop(columns=["group", "patient_id"])
    assert read_predictions(table).n_groups == 12


def test_labels_may_be_places_and_the_call_may_be_left_to_the_probabilities():
    table = make_table(patients=6, slices=4)
    plain = read_predictions(table)
    table["y_true"] = plain.y_true
    assert (read_predictions(table).y_true == plain.y_true).all()
    assert (read_predictions(table.drop(columns="y_pred")).y_pred == plain.y_pred).all()


def test_labels_the_model_does_not_know_are_left_out_and_named():
    table = make_table(patients=6, slices=4)
    table.loc[[0, 1], "y_true"] = "artefact"
    table.loc[2, "y_true"] = None
    found = read_predictions(table)
    assert len(found) == 21
    assert found.unknown_labels == {"artefact": 2}
    assert found.unlabelled == 1


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda t: t.drop(columns="y_true"), "lacks y_true"),
        (lambda t: t.drop(columns=[f"probability_{label}" for label in LABELS]), "probability_<class>"),
        (lambda t: t.assign(slice_id="same"), "one row a slice"),
        (lambda t: t.assign(probability_positive=np.nan), "softmax outputs"),
        (lambda t: t.assign(probability_positive=3.0), "not logits"),
        (lambda t: t.assign(probability_positive=0.5), "do not sum to 1"),
        (lambda t: t.assign(probability_positive="high"), "not a number"),
        (lambda t: t.assign(y_true="artefact"), "The model knows negative"),
        (lambda t: t.assign(y_pred="artefact"), "without a probability column"),
    ],
)
def test_a_broken_table_is_refused_with_the_way_out(change, advice):
    with pytest.raises(PredictionsError, match=advice):
        read_predictions(change(make_table(patients=4, slices=4)))


def test_files_that_are_not_there_or_no_tables(tmp_path):
    with pytest.raises(PredictionsError, match="Train or evaluate"):
        load_predictions(tmp_path / "none.parquet")
    bad = tmp_path / "bad.parquet"
    bad.write_text("no parquet")
    with pytest.raises(PredictionsError, match="cannot be read"):
        load_predictions(bad)


def test_parquet_and_csv_say_the_same(tmp_path):
    table = make_table(patients=4, slices=4)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "t.csv", index=False)
    one, other = load_predictions(tmp_path / "t.parquet"), load_predictions(tmp_path / "t.csv")
    assert (one.groups == other.groups).all()
    assert one.probabilities == pytest.approx(other.probabilities)


def test_selection_counts_its_own_patients_and_groups():
    found = read_predictions(make_table(patients=6, slices=4))
    part = found.select(np.isin(found.table["patient_id"], ["P001", "P004"]))
    assert (len(part), part.patients, part.n_groups) == (8, 2, 2)
    assert sorted(set(part.groups)) == [0, 1]
