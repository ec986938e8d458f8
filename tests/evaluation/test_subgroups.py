"""Subgroups: which columns divide slices, how, and within which class."""

import numpy as np

from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.subgroups import find_subgroups, subgroup_values
from tests.evaluation.tables import make_table


def _table(**columns):
    table = make_table(patients=12, slices=6)
    for name, value in columns.items():
        table[name] = value(table) if callable(value) else value
    return read_predictions(table)


def test_each_source_has_its_own_figures():
    found = find_subgroups(_table(), n_resamples=50)["source"]
    assert [group.value for group in found] == ["hospital A", "hospital B"]
    assert [group.figures.patients for group in found] == [4, 8]
    assert sum(group.figures.n for group in found) == 72


def test_one_source_is_shown_and_another_column_of_one_value_is_not():
    found = find_subgroups(_table(source="here", kernel="B70f"), n_resamples=20)
    assert list(found) == ["source"]


def test_names_of_slices_divide_nothing():
    assert "note" not in find_subgroups(_table(note=lambda t: t["slice_id"]), n_resamples=20)


def test_many_numbers_are_cut_at_their_terciles_even_as_text():
    predictions = _table(level=lambda t: [f"{value:.2f}" for value in np.linspace(0, 1, len(t))])
    values, against = subgroup_values(predictions, "level")
    assert against is None
    assert values.value_counts().to_dict() == {
        "0 to 0.333": 24,
        "0.333 to 0.667": 24,
        "0.667 to 1": 24,
    }


def test_a_column_that_describes_one_class_compares_it_with_all_others():
    """A lesion's size is 0 for whoever has none: small and large lesions each face all the other slices."""

    def size(table):
        ill = table["y_true"] == "positive"
        return np.where(~ill, "none", np.where(np.arange(len(table)) % 2 == 0, "small", "large"))

    predictions = _table(lesion_size=size)
    found = {group.value: group for group in find_subgroups(predictions, n_resamples=20)["lesion_size"]}
    assert set(found) == {"small", "large"}
    others = int((predictions.y_true != 2).sum())
    for group in found.values():
        assert group.against == "positive"
        assert group.figures.n == others + group.figures.per_class["positive"].n
        assert group.n == group.figures.per_class["positive"].n and group.groups <= 12
        assert group.size_text("patient").endswith(f"against {others} others")
        said = group.to_json()
        assert (said["within_class"], said["n"], said["others"]) == ("positive", group.n, others)
        assert said["accuracy"]["value"] is None, "it would be that of the others"
        assert list(said["auc"]) == ["positive"] and "specificity" not in said["per_class"]["positive"]


def test_few_numbers_are_cut_too():
    """A lesion's area in each of a dozen slices is no subgroup."""
    predictions = _table(area=lambda t: np.arange(len(t)) % 8)
    values, _ = subgroup_values(predictions, "area")
    assert values.nunique() == 3 and values.value_counts().min() >= 18


def test_truth_values_divide():
    assert [
        g.value for g in find_subgroups(_table(prone=lambda t: t.index < 30), n_resamples=20)["prone"]
    ] == [
        "False",
        "True",
    ]
