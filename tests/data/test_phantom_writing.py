"""Phantoms on disk: names, labels, masks, DICOM headers; whole or not at all."""

import csv

import cv2
import numpy as np
import pydicom
import pytest

from pipeline.data.phantom import generate_patient, generator_hash, to_grey, write_phantoms
from pipeline.data.phantom.writing import PhantomFolderError
from pipeline.jobs import JobStopped
from pipeline.workspace import read_json


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    return write_phantoms(folder, seeds=[0, 1, 2], slices=4, dicom_patients=1)


def rows_of(written):
    with written.labels_csv.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_names_a_file_in_its_class_folder(written):
    rows = rows_of(written)
    assert len(rows) == written.slices == 12 and written.patients == 3
    folders = {"positive": "pCT", "negative": "nCT", "non-informative": "NiCT"}
    for row in rows:
        assert (written.folder / row["path"]).is_file()
        if row["path"].endswith(".png"):
            folder, name = row["path"].split("/")
            assert folder == folders[row["label"]] and name.startswith(folder)
    assert {row["patient_id"] for row in rows} == {"PH000000", "PH000001", "PH000002"}


def test_pngs_hold_the_generated_slices(written):
    drawn = generate_patient(0, slices=4)
    rows = [row for row in rows_of(written) if row["patient_id"] == "PH000000"]
    for row, item in zip(rows, drawn, strict=True):
        stored = cv2.imread(str(written.folder / row["path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(stored, to_grey(item.slice_hu))
        lungs = cv2.imread(str(written.folder / "masks" / "lungs" / row["path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(lungs > 0, item.lung_mask)
        lesions = cv2.imread(str(written.folder / "masks" / "lesions" / row["path"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(lesions > 0, item.lesion_mask)


def test_masks_are_marked_as_no_slices(written):
    assert (written.folder / "masks" / ".hilum-ignore").is_file()


def test_dicom_gives_hu_back_and_names_nobody(written):
    rows = [row for row in rows_of(written) if row["path"].startswith("dicom/")]
    drawn = generate_patient(2, slices=4)
    assert len(rows) == 4
    for row, item in zip(rows, drawn, strict=True):
        file = pydicom.dcmread(written.folder / row["path"])
        slice_hu = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
        np.testing.assert_allclose(slice_hu, item.slice_hu, atol=0.51)
        assert str(file.PatientName).startswith("PHANTOM^") and file.PatientID == item.patient_id
        assert float(file.SliceLocation) == item.slice_location
        assert float(file.PixelSpacing[0]) == pytest.approx(item.pixel_spacing)
        assert "StudyDate" not in file and "PatientBirthDate" not in file
    locations = [float(pydicom.dcmread(written.folder / row["path"]).SliceLocation) for row in rows]
    assert locations == sorted(locations, reverse=True)


def test_the_marker_says_synthetic_and_which_generator(written):
    marker = read_json(written.folder / "synthetic.json")
    assert marker["synthetic"] is True and marker["notice"] == "synthetic task, not COVID-19"
    assert marker["generator_hash"] == generator_hash() and marker["seeds"] == [0, 1, 2]


def test_a_second_call_makes_nothing_again(written):
    before = {path: path.stat().st_mtime_ns for path in written.folder.rglob("*")}

    def refuse(done, total, message=""):
        raise AssertionError("nothing was to be drawn")

    again = write_phantoms(written.folder, seeds=[0, 1, 2], slices=4, dicom_patients=1, progress=refuse)
    assert again == written
    assert before == {path: path.stat().st_mtime_ns for path in written.folder.rglob("*")}


def test_a_stop_leaves_nothing_half_made(tmp_path):
    def stop(done, total, message=""):
        if done == 1:
            raise JobStopped

    with pytest.raises(JobStopped):
        write_phantoms(tmp_path / "set", seeds=[0, 1], slices=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(PhantomFolderError, match="does not exist yet"):
        write_phantoms(tmp_path / "set", seeds=[0], slices=1)
    assert (tmp_path / "set" / "mine.txt").read_text() == "mine"


def test_worker_processes_write_the_same(written, tmp_path):
    write_phantoms(tmp_path / "set", seeds=[0, 1, 2], slices=4, dicom_patients=1, processes=2)
    assert (tmp_path / "set" / "labels.csv").read_bytes() == written.labels_csv.read_bytes()
    for row in rows_of(written):
        assert (tmp_path / "set" / row["path"]).read_bytes() == (written.folder / row["path"]).read_bytes()
