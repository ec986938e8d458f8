"""Labels from folder names and from tables that people write."""

import pytest

from pipeline.data.labels import (
    LabelsError,
    canonical_label,
    label_from_path,
    order_labels,
    read_header,
    read_labels_csv,
    without_names,
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("pCT", "positive"),
        ("PCT", "positive"),
        ("covid", "positive"),
        ("COVID-19", "positive"),
        ("positive", "positive"),
        ("nCT", "negative"),
        ("Normal", "negative"),
        ("non-COVID", "negative"),
        ("non_covid", "negative"),
        ("NiCT", "non-informative"),
        ("Non Informative", "non-informative"),
        ("pneumonia", "pneumonia"),
        (" Bacterial Pneumonia ", "Bacterial Pneumonia"),
    ],
)
def test_aliases_ignore_case_and_punctuation_and_unknown_names_stay(name, label):
    assert canonical_label(name) == label


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("pCT/a.png", "positive"),
        ("train/nCT/a.png", "negative"),
        ("pneumonia/patient 1/a.png", "pneumonia"),
        ("patient 1/covid/a.png", "positive"),
        ("images/a.png", None),
        ("a.png", None),
    ],
)
def test_the_first_folder_that_tells_a_class_counts(path, label):
    assert label_from_path(path) == label


def test_known_labels_come_first():
    assert order_labels(["zebra", "negative", "alpha", "positive"]) == [
        "positive",
        "negative",
        "alpha",
        "zebra",
    ]


@pytest.fixture
def csv(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "labels.csv"
        path.write_bytes(text.encode(encoding))
        return read_labels_csv(path, source=tmp_path)

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_what_excel_writes_is_read(csv, delimiter, encoding):
    lines = [["path", "label", "Patient ID", "Hôpital"], ["pCT\\a.png", "pCT", " 7 ", "Nîmes"]]
    found = csv("\r\n".join(delimiter.join(line) for line in lines), encoding)
    assert found.rows == {
        "pCT/a.png": {"label": "positive", "patient_id": "7", "hôpital": "Nîmes"},
    }
    assert found.columns == ("patient_id", "hôpital")


@pytest.mark.parametrize("name", ["PatientID", "patient", "Subject", "subject id", "PID", "participant-id"])
def test_usual_names_of_the_patients_column_are_taken(csv, name):
    found = csv(f"path,label,{name}\na.png,pCT,7\n")
    assert found.rows["a.png"] == {"label": "positive", "patient_id": "7"}
    assert f"{name} as patient_id" in found.header.text() or name == "patient_id"


def test_of_two_columns_of_patients_the_ids_are_taken_and_what_may_be_names_is_left_out(csv):
    found = csv("path,Patient,Patient ID,subject_id\na.png,Mustermann,R7,7\n")
    assert found.rows["a.png"] == {"patient_id": "R7", "subject_id": "7"}
    assert found.header.dropped == ("patient",)


def test_patients_given_by_name_enter_as_pseudonyms(csv):
    """In a column called an id, and with a number in it, a patient is what the user calls it."""
    found = csv("path,Patient\na.png,Mustermann\nb.png,Mustermann\nc.png,Doe\nd.png,P7\ne.png,unknown\n")
    hidden = {path: row.get("patient_id") for path, row in without_names(found, key=b"key").rows.items()}
    assert hidden["a.png"] == hidden["b.png"] != hidden["c.png"]
    assert hidden["a.png"].startswith("P-") and hidden["d.png"] == "P7" and hidden["e.png"] is None
    assert "as by name, enter as pseudonyms" in found.header.text()
    ids = csv("path,patient_id\na.png,Anna\n")
    assert without_names(ids, key=b"key") == ids


def test_what_becomes_of_each_column_is_said(csv):
    found = csv("Path,label,PatientID,age,width,scan_date\na.png,nCT,7,50,9,2020-02-03\n")
    assert found.header.text() == (
        "Columns used: path, label, PatientID as patient_id. Kept to sort and split by: age, csv_width. Left "
        "out, as names or dates of persons: scan_date."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_header_is_read_without_the_rows(tmp_path, encoding):
    path = tmp_path / "long.csv"
    path.write_text("path,label,hôpital\n" + "a.png,pCT,Nîmes\n" * 9000, encoding=encoding)
    assert read_header(path).names == ("path", "label", "hôpital")


def test_names_and_dates_of_patients_are_left_out_and_named(csv):
    found = csv(
        "path,label,patient_name,birth_date,scan_date,age\na.png,nCT,Jane Doe,1970-01-02,2020-02-03,50\n"
    )
    assert found.rows["a.png"] == {"label": "negative", "age": "50"}
    assert set(found.header.dropped) == {"patient_name", "birth_date", "scan_date"}


def test_a_column_called_like_a_measurement_stands_beside_it(csv):
    assert csv("path,label,width\na.png,nCT,9\n").rows["a.png"] == {"label": "negative", "csv_width": "9"}


def test_dots_that_stay_inside_are_resolved(csv):
    assert list(csv("path,label\n./pCT/../nCT/a.png,nCT\n").rows) == ["nCT/a.png"]


@pytest.mark.parametrize("path", ["../a.png", "/etc/passwd", "pCT/../../a.png", "C:\\scans\\a.png"])
def test_a_path_that_leads_outside_is_refused(csv, path):
    with pytest.raises(LabelsError, match="outside the folder"):
        csv(f"path,label\n{path},pCT\n")


def test_a_contradiction_names_line_and_both_labels(csv):
    with pytest.raises(LabelsError, match=r"line 3.*negative.*positive"):
        csv("path,label\na.png,pCT\na.png,nCT\n")


def test_two_patients_of_one_slice_are_refused_and_not_named(csv):
    with pytest.raises(LabelsError, match=r"line 3: a\.png is given two patients") as refused:
        csv("path,Patient\na.png,Mustermann\na.png,Doe\n")
    assert "Mustermann" not in str(refused.value) and "Doe" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "file,class\na.png,pCT\n", "\x00\x01"])
def test_a_table_without_paths_is_refused_with_what_it_needs(csv, text):
    with pytest.raises(LabelsError, match="it needs `path`"):
        csv(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LabelsError, match=r"nowhere\.csv"):
        read_labels_csv(tmp_path / "nowhere.csv", source=tmp_path)
