"""Splits: what may never happen (one patient or copy in two parts), and what must (every class measured)."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from pipeline.data import allocation
from pipeline.data.allocation import allocate_groups
from pipeline.data.groups import join_groups
from pipeline.data.index import build_index, load_index
from pipeline.data.splits import (
    PARTS,
    HoldOutError,
    NoPatientsError,
    SplitExistsError,
    SplitNotFoundError,
    TooFewSlicesError,
    UnknownGroupingError,
    divide,
    hash_table,
    list_splits,
    load_split,
    make_split,
)
from pipeline.workspace import InvalidNameError

SHARES = np.array([0.60, 0.15, 0.10, 0.15])
NEEDS = np.array([8.0, 2.0, 1.0, 4.0])


def made_up(patients, seed, *, known=1.0, labels=("positive", "negative", "non-informative"), copies=0):
    """An index of patients with 1 to 20 slices, a share of them with known ids, and their clusters."""
    generator = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        label = labels[int(generator.integers(len(labels)))]
        name = f"P{patient}" if generator.random() < known else None
        rows += [{"patient_id": name, "label": label} for _ in range(int(generator.integers(1, 21)))]
    index = pd.DataFrame(rows)
    index["slice_id"] = [f"{at:06d}" for at in range(len(index))]
    index["study_uid"] = index["series_uid"] = None
    clusters = pd.Series([f"C-{slice_id}" for slice_id in index["slice_id"]])
    for _ in range(copies):  # near-copies, wherever they lie
        one, other = generator.integers(0, len(index), 2)
        clusters[clusters == clusters[other]] = clusters[one]
    return index.astype({"patient_id": "str", "label": "str", "slice_id": "str"}), clusters


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("group_by", ["patient", "cluster"])
def test_no_patient_and_no_cluster_is_in_two_parts(seed, group_by):
    generator = np.random.default_rng(seed)
    index, clusters = made_up(
        int(generator.integers(5, 80)), seed, known=generator.uniform(0.3, 1), copies=seed
    )
    table, _ = divide(index, clusters, group_by=group_by, folds=2 if seed % 2 else None, seed=seed)
    assert list(table["slice_id"]) == list(index["slice_id"])
    for column in (index["patient_id"], clusters, table["group"]):
        parts = table.groupby(column.to_numpy())[["part", "fold"]].nunique()
        assert (parts <= 1).all(axis=None)
    assert set(table["part"]) <= set(PARTS)


@pytest.mark.parametrize("patients", [20, 60, 104])
def test_parts_look_alike(patients):
    index, clusters = made_up(patients, 3)
    table, _ = divide(index, clusters, group_by="patient", folds=None, seed=0)
    shares = table.groupby("label")["part"].value_counts(normalize=True).unstack()
    tolerance = {20: 0.12, 60: 0.03, 104: 0.02}[patients]
    for part, share in zip(PARTS, SHARES, strict=True):
        if part in shares:
            assert (shares[part] - share).abs().max() < tolerance


def test_allocation_is_no_worse_than_scikit_learns_stratified_groups():
    from sklearn.model_selection import StratifiedGroupKFold

    index, clusters = made_up(40, 5)
    table, _ = divide(index, clusters, group_by="patient", folds=5, seed=0)
    open_rows = index[(table["fold"] >= 0).to_numpy()].reset_index(drop=True)

    def unevenness(folds):
        return pd.crosstab(folds, open_rows["label"], normalize="columns").std().sum()

    theirs = np.zeros(len(open_rows), int)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for fold, (_, held) in enumerate(splitter.split(open_rows, open_rows["label"], open_rows["patient_id"])):
        theirs[held] = fold
    assert unevenness(table.loc[table["fold"] >= 0, "fold"].to_numpy()) <= unevenness(theirs)


@pytest.mark.parametrize(("groups", "expected"), [(1, {0}), (2, {0, 3}), (3, {0, 1, 3}), (4, {0, 1, 2, 3})])
def test_a_class_with_few_groups_reaches_training_first_then_the_test(groups, expected):
    counts = np.zeros((40, 2), int)
    counts[:, 0] = 5
    counts[:groups] = [[0, 5]] * groups
    parts = allocate_groups(counts, shares=SHARES, needs=NEEDS, seed=0)
    assert set(parts[:groups]) == expected


def test_the_seed_decides_and_nothing_else():
    index, clusters = made_up(30, 1)
    first, again, other = (
        hash_table(divide(index, clusters, group_by="patient", folds=None, seed=seed)[0])
        for seed in (0, 0, 1)
    )
    assert first == again != other
    shuffled = divide(index, clusters, group_by="patient", folds=None, seed=0)[0].sample(
        frac=1, random_state=0
    )
    assert hash_table(shuffled) == first


def test_clusters_join_patients_and_studies_join_the_unknown():
    index = pd.DataFrame(
        {
            "slice_id": list("abcdef"),
            "patient_id": ["P1", "P2", "P3", None, None, None],
            "study_uid": [None, None, None, "S1", "S1", None],
            "series_uid": [None] * 6,
        }
    )
    clusters = pd.Series(["C1", "C1", "C2", "C3", "C4", "C5"])
    assert list(join_groups(index, clusters)) == ["P1+1", "P1+1", "P3", "C3", "C3", "C5"]


@pytest.mark.parametrize("group_by", ["patient", "cluster"])
def test_slices_without_a_patient_id_are_counted_in_a_note(group_by):
    index, clusters = made_up(30, 1)
    assert not any("patient id" in note for note in divide_notes(index, clusters, group_by))
    index.loc[60:, "patient_id"] = None
    (note,) = [one for one in divide_notes(index, clusters, group_by) if "patient id" in one]
    assert note == (
        f"{len(index) - 60:,} of {len(index):,} slices have no patient id: they are kept together only as "
        "near-copies, so one patient may lie in several parts."
    )
    index.loc[60:, "study_uid"] = "S1"
    assert any(
        "only by study or series and as near" in one for one in divide_notes(index, clusters, group_by)
    )


def test_where_no_id_is_known_a_split_by_copies_says_so():
    index, clusters = made_up(30, 1, known=0)
    assert "No slice has a patient id" in divide_notes(index, clusters, "cluster")[0]
    assert not any("patient id" in note for note in divide_notes(index, clusters, "none"))


def divide_notes(index, clusters, group_by):
    return divide(index, clusters, group_by=group_by, folds=None, seed=0)[1]


def test_slice_wise_says_what_it_does():
    index, clusters = made_up(30, 1)
    table, notes = divide(index, clusters, group_by="none", folds=None, seed=0)
    assert table["group"].is_unique
    assert "flatters" in notes[0]


def test_too_few_for_calibration_is_said():
    index, clusters = made_up(9, 1)
    table, notes = divide(index, clusters, group_by="patient", folds=None, seed=0)
    assert "calibration" not in set(table["part"])
    assert any("Not calibrated" in note for note in notes)


def test_a_class_with_one_slice_is_handled_and_named():
    index, clusters = made_up(30, 1, labels=("positive", "negative"))
    index.loc[0, ["label", "patient_id"]] = ["rare", "P-rare"]
    table, notes = divide(index, clusters, group_by="patient", folds=None, seed=0)
    assert list(table.loc[table["label"] == "rare", "part"]) == ["train"]
    assert any(note.startswith("rare has only 1 group and is absent from val") for note in notes)


@pytest.mark.parametrize("patients", [1, 2])
def test_nothing_to_divide_is_said(patients):
    index, clusters = made_up(patients, 1)
    with pytest.raises(TooFewSlicesError, match="at least 3 groups"):
        divide(index, clusters, group_by="patient", folds=None, seed=0)


def test_without_any_id_patients_are_refused_and_clusters_offered():
    index, clusters = made_up(30, 1, known=0)
    with pytest.raises(NoPatientsError, match="--group-by cluster"):
        divide(index, clusters, group_by="patient", folds=None, seed=0)
    table, _ = divide(index, clusters, group_by="cluster", folds=None, seed=0)
    assert set(PARTS) == set(table["part"])


def test_an_unknown_grouping_lists_the_known_ones():
    index, clusters = made_up(30, 1)
    with pytest.raises(UnknownGroupingError, match="patient, cluster, none"):
        divide(index, clusters, group_by="scanner", folds=None, seed=0)


def with_sources(patients=60, seed=0):
    """An index of patients of three clinics, one person of two of them, and a column of scanners."""
    index, clusters = made_up(patients, seed)
    number = index["patient_id"].str[1:].astype(int)
    source = number.map(lambda one: "abc"[one % 3])
    source[(number == 0) & (index.groupby("patient_id").cumcount() % 2 == 1)] = "b"
    return index.assign(source=source, scanner=number.map(lambda one: f"S{one % 9}")), clusters


def test_a_given_column_is_kept_together_with_its_patients():
    index, clusters = with_sources()
    table, _ = divide(index, clusters, group_by="column:scanner", folds=None, seed=0)
    for column in (index["scanner"], index["patient_id"], clusters):
        assert (table.groupby(column.to_numpy())["part"].nunique() == 1).all()
    assert set(table["group"]) == {f"S{at}" for at in range(9)}


def test_a_column_joins_what_a_patient_joins():
    """The person of two clinics keeps the clinics together: two groups are left, too few for three parts."""
    index, clusters = with_sources()
    with pytest.raises(TooFewSlicesError, match="in 2 groups"):
        divide(index, clusters, group_by="column:source", folds=None, seed=0)


@pytest.mark.parametrize("name", ["nothing", "slice_id", "patient_id", "constant"])
def test_a_column_that_cannot_be_gone_by_lists_those_that_can(name):
    index, clusters = with_sources()
    with pytest.raises(UnknownGroupingError, match="source, scanner"):
        divide(index.assign(constant="x"), clusters, group_by=f"column:{name}", folds=None, seed=0)


@pytest.mark.parametrize("folds", [None, 4])
def test_a_source_is_held_out_whole_and_nothing_else_is_tested_on(folds):
    index, clusters = with_sources()
    table, notes = divide(index, clusters, group_by="patient", folds=folds, seed=0, test_on="source=a")
    source = table["slice_id"].map(index.set_index("slice_id")["source"])
    assert set(table.loc[source == "a", "part"]) == {"test"}
    assert set(table.loc[source != "a", "part"]) == {"train", "val", "calibration"}
    assert (table.groupby("patient_id")["part"].nunique() == 1).all()
    left_out = set(index["slice_id"]) - set(table["slice_id"])
    person = index[(index["patient_id"] == "P0") & (index["source"] == "b")]
    assert left_out == set(person["slice_id"]) and left_out
    assert any(f"In no part: {len(left_out)} slices" in note for note in notes)
    assert (table.loc[table["part"] == "test", "fold"] == -1).all()


@pytest.mark.parametrize(
    ("test_on", "error", "words"),
    [
        ("source", HoldOutError, "COLUMN=VALUE"),
        ("source=z", HoldOutError, "Its values are: "),
        ("nothing=a", UnknownGroupingError, "source, scanner"),
    ],
)
def test_what_cannot_be_held_out_is_said(test_on, error, words):
    index, clusters = with_sources()
    with pytest.raises(error, match=words):
        divide(index, clusters, group_by="patient", folds=None, seed=0, test_on=test_on)


@pytest.fixture
def indexed(workspace, tmp_path, picture, write_picture):
    lines = ["path,label,patient_id"]
    for number in range(24):
        label = "pCT" if number % 2 else "nCT"
        write_picture(tmp_path / "slices" / label / f"{number}.png", picture(number))
        lines.append(f"{label}/{number}.png,{label},P{number // 2}")
    (tmp_path / "slices" / "pCT" / "bad.png").write_bytes(b"\x89PNG")
    (tmp_path / "slices" / "labels.csv").write_text("\n".join(lines))
    build_index(workspace, tmp_path / "slices", name="set")
    return workspace


def test_a_split_is_frozen_named_and_found_again(indexed):
    made = make_split(indexed, "set", name="mine", folds=3, seed=4)
    document = json.loads(json.dumps(made.to_json()))
    assert {"name", "group_by", "hash", "train", "val", "calibration", "test"} <= set(document)
    assert sum(document[part]["slices"] for part in PARTS) == 24
    assert set(document["test"]) == {"slices", "patients", "groups", "by_label"}
    again = load_split(indexed, "set", "mine")
    assert (again.hash, again.group_by, again.folds) == (made.hash, "patient", 3)
    pd.testing.assert_frame_equal(again.table, made.table)
    assert (
        "bad.png" not in load_index(indexed, "set").set_index("slice_id").loc[again.table["slice_id"], "path"]
    )


def test_a_held_out_value_is_kept_with_the_split(indexed, tmp_path):
    lines = ["path,label,patient_id,source"]
    for number in range(24):
        label = "pCT" if number % 2 else "nCT"
        lines.append(f"{label}/{number}.png,{label},P{number // 2},{'near' if number < 16 else 'far away'}")
    (tmp_path / "slices" / "labels.csv").write_text("\n".join(lines))
    build_index(indexed, tmp_path / "slices", name="set")
    made = make_split(indexed, "set", test_on="source=far away")
    assert made.name == "patient-test-far-away-seed0"
    again = load_split(indexed, "set")
    assert again.test_on == again.to_json()["test_on"] == "source=far away"
    assert again.to_json()["test"]["slices"] == 8


def test_a_frozen_split_stays_as_it_is_whatever_becomes_of_the_data(
    indexed, tmp_path, picture, write_picture
):
    made = make_split(indexed, "set", name="mine")
    for number in range(24, 40):
        write_picture(tmp_path / "slices" / "pCT" / f"{number}.png", picture(number))
    build_index(indexed, tmp_path / "slices", name="set")
    other = make_split(indexed, "set", group_by="cluster")
    kept = load_split(indexed, "set", "mine")
    pd.testing.assert_frame_equal(kept.table, made.table)
    assert kept.hash == made.hash == hash_table(kept.table) != other.hash
    assert len(other.table) == len(kept.table) + 16


def test_the_newest_split_is_the_default_and_names_are_not_reused(indexed):
    first = make_split(indexed, "set")
    assert make_split(indexed, "set").name == first.name  # the same split again is the same split
    second = make_split(indexed, "set", seed=1)
    assert load_split(indexed, "set").name == second.name != first.name
    assert [split.name for split in list_splits(indexed, "set")] == [second.name, first.name]
    with pytest.raises(SplitExistsError, match="frozen"):
        make_split(indexed, "set", name=first.name, seed=2)


def test_folds_share_out_what_is_outside_the_test(indexed):
    split = make_split(indexed, "set", folds=3)
    held = [set(split.parts(fold)[split.parts(fold) == "val"].index) for fold in range(3)]
    assert all(not one & other for one, other in combinations(held, 2))
    tested = set(split.parts()[split.parts().isin(["test", "calibration"])].index)
    assert set.union(*held) | tested == set(split.table["slice_id"])
    with pytest.raises(SplitNotFoundError, match="3 folds"):
        split.parts(3)
    with pytest.raises(TooFewSlicesError, match="folds"):
        make_split(indexed, "set", folds=50)


def test_what_is_not_there_is_named(indexed):
    with pytest.raises(SplitNotFoundError, match="no split yet"):
        load_split(indexed, "set")
    make_split(indexed, "set", name="mine")
    with pytest.raises(SplitNotFoundError, match="there are: mine"):
        load_split(indexed, "set", "yours")
    with pytest.raises(InvalidNameError):
        make_split(indexed, "set", name="../mine")


def test_listing_splits_opens_no_table(indexed, monkeypatch):
    opened = []
    read = pd.read_parquet
    monkeypatch.setattr(
        pd, "read_parquet", lambda path, **chosen: opened.append(path.name) or read(path, **chosen)
    )
    made = make_split(indexed, "set")
    (listed,) = list_splits(indexed, "set")
    opened.clear()
    assert listed == made and listed.to_json() == made.to_json()
    assert opened == []
    pd.testing.assert_frame_equal(listed.table, made.table)
    assert opened == [f"{made.name}.parquet"]


def test_parts_of_slices_in_any_order(indexed):
    split = make_split(indexed, "set")
    asked = load_index(indexed, "set")["slice_id"].sample(frac=1, random_state=0)
    asked.iloc[3] = "unknown"
    expected = asked.map(split.parts())
    assert expected.isna().iloc[3] and expected.notna().any()
    pd.testing.assert_series_equal(split.parts_of(asked), expected.rename("part"))


@pytest.mark.parametrize("seed", range(6))
def test_many_groups_dealt_by_kind_are_as_even_as_one_by_one(seed, monkeypatch):
    """A class of few groups too is in every part, and every part has its share."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 4, (600, 3))
    counts[:, 2] = 0
    counts[generator.choice(600, 9, replace=False), 2] = 5
    counts[counts.sum(axis=1) == 0, 0] = 1
    monkeypatch.setattr(allocation, "_MANY", 500)
    parts = allocate_groups(counts, shares=SHARES, needs=NEEDS, seed=seed)
    monkeypatch.setattr(allocation, "_MANY", 1000)
    one_by_one = allocate_groups(counts, shares=SHARES, needs=NEEDS, seed=seed)

    def unevenness(dealt):
        held = np.stack([counts[dealt == part].sum(axis=0) for part in range(4)])
        return np.abs(held / counts.sum(axis=0) - SHARES[:, None])[:, :2].max()

    assert unevenness(parts) <= max(0.01, 2 * unevenness(one_by_one))
    assert set(parts[counts[:, 2] > 0]) == {0, 1, 2, 3}
    assert len(parts) == 600 and not (parts == one_by_one).all()


def test_groups_are_named_after_their_patients_or_cluster():
    index = pd.DataFrame(
        {
            "patient_id": ["P2", None, "P1", None, "P3", "P1", "P9"],
            "study_uid": [None, "S1", None, None, None, None, "S1"],
            "series_uid": None,
        }
    ).astype("str")
    clusters = pd.Series(["C-a", "C-b", "C-a", "C-d", "C-e", "C-f", "C-g"], dtype="str")
    assert list(join_groups(index, clusters)) == ["P1+1", "P9", "P1+1", "C-d", "P3", "P1+1", "P9"]
    without = index.assign(patient_id=pd.Series([None] * 7, dtype="str"))
    assert list(join_groups(without, clusters)) == ["C-a", "C-b", "C-a", "C-d", "C-e", "C-f", "C-b"]
    assert len(join_groups(index[:0], clusters[:0])) == 0


def test_a_set_without_a_readable_slice_is_told_so_and_not_that_patients_are_unknown(workspace, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_text("no picture")
    build_index(workspace, tmp_path / "in", name="broken")
    with pytest.raises(TooFewSlicesError, match="None of the 1 rows of broken could be read"):
        make_split(workspace, "broken", group_by="patient")
