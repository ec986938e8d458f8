"""Folders as patients: where the rule holds, where it does not, and what is said then."""

import pandas as pd
import pytest

from pipeline.data.folder_patients import doubt_folders, folder_patients
from pipeline.data.index import build_index, load_index
from pipeline.data.labels import label_from_path


def table(*folders, **columns):
    """An index of two readable slices in each folder."""
    paths = [f"{folder}/{name}.png".lstrip("/") for folder in folders for name in "ab"]
    rows = {"path": paths, "label": [label_from_path(path) for path in paths], "status": "ok"}
    found = pd.DataFrame(rows | {"patient_id": None} | columns)
    return found.astype({name: "str" for name in ("path", "label", "patient_id", "status")})


@pytest.mark.parametrize(
    "names",
    [
        ["Patient PH002002", "Patient PH002003"],
        ["P1", "P12"],
        ["patient (3)", "Patient (4)"],
        ["sub-01", "sub-02"],
        ["case_7", "subject#8"],
    ],
)
def test_folders_called_patients_below_or_above_a_class_are_patients(names):
    below = table(*(f"{label}/{name}" for label in ("pCT", "nCT") for name in names))
    assert set(folder_patients(below)) == set(names)
    above = table(*(f"train/{name}/{label}" for label in ("pCT", "nCT") for name in names))
    assert set(folder_patients(above)) == set(names)


@pytest.mark.parametrize(
    "folders",
    [
        ["pCT", "nCT", "NiCT"],
        ["pCT/part1", "pCT/part2", "nCT/phase1"],
        ["pCT/batch 1", "pCT/batch 2", "nCT/set_3"],
        ["pCT/2020", "pCT/2021", "nCT/0003"],
        ["pCT/Jane Doe 1970", "pCT/John", "nCT/Smith"],
        ["pCT/P1", "pCT/P2", "nCT"],
        ["pCT/P1/P7", "pCT/P2/P8", "nCT/P3/P9"],
        ["P1", "P2", "P3"],
    ],
)
def test_any_other_folders_are_none(folders):
    """Parts, batches, years, persons' names; some slices only; two levels; patients in place of classes."""
    assert folder_patients(table(*folders)).isna().all()


def test_a_known_patient_leaves_folders_alone():
    known = table("pCT/P1", "pCT/P2", patient_id=["R1", None, None, None])
    assert folder_patients(known).isna().all()


def test_an_unreadable_file_beside_the_folders_does_not_matter():
    found = table("pCT/P1", "pCT/P2", "pCT")
    found.loc[found["path"].str.count("/") == 1, "status"] = "not-an-image"
    assert list(folder_patients(found).fillna("")) == ["P1", "P1", "P2", "P2", "", ""]


@pytest.mark.parametrize(
    "folders",
    [
        ["patient1", "patient2"],
        ["0001", "0002", "0003"],
        ["PH002002", "PH002003"],
        [f"Name {letter}" for letter in "abcdefghij"],
    ],
)
def test_patients_in_place_of_classes_are_said(folders):
    (sentence,) = doubt_folders(table(*folders))
    assert (
        sentence.startswith(f"{len(folders)} classes, a folder each (") and "look like patients" in sentence
    )


def test_classes_of_one_known_patient_each_are_said():
    found = table("a", "b", "c", patient_id=["R1", "R1", "R2", "R2", "R3", "R3"])
    assert "look like patients" in doubt_folders(found)[0]


def test_folders_that_may_be_patients_are_said():
    (sentence,) = doubt_folders(table("pCT/0001", "pCT/0002", "nCT/0003"))
    assert sentence.startswith("Below the classes lie 3 folders (0001, 0002, 0003), and no patient is known.")


@pytest.mark.parametrize(
    "folders",
    [
        ["pCT", "nCT", "NiCT"],
        ["train/pCT", "test/pCT", "train/nCT"],
        ["pCT/train", "pCT/test", "nCT/train"],
        ["CT-0", "CT-1", "CT-2", "CT-3", "CT-4"],
        ["pneumonia", "healthy", "covid"],
        ["far/pCT", "near/pCT", "far/nCT"],
    ],
)
def test_plain_classes_raise_no_doubt(folders):
    assert doubt_folders(table(*folders)) == []


def test_an_index_takes_patients_from_folders_unless_a_csv_knows_them(
    workspace, tmp_path, picture, write_picture
):
    source = tmp_path / "slices"
    for seed, folder in enumerate(("pCT/Patient 1", "pCT/Patient 2", "nCT/Patient 3")):
        write_picture(source / folder / "a.png", picture(seed))
    summary = build_index(workspace, source, name="set")
    assert (summary.patients, summary.warnings) == (3, [])
    assert summary.columns == ["Patients are 3 folders by their names (Patient 1, Patient 2, Patient 3)."]
    assert set(load_index(workspace, "set")["patient_id"]) == {"Patient 1", "Patient 2", "Patient 3"}
    (source / "labels.csv").write_text("path,PatientID\npCT/Patient 1/a.png,R1\n")
    summary = build_index(workspace, source, name="set")
    assert (summary.patients, summary.read) == (1, 0)
    assert summary.columns == ["Columns used: path, PatientID as patient_id."]
