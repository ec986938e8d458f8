"""What an input stands for: a slice, frames, a folder, an archive; series in anatomical order."""

import gzip
import os
import sys

import nibabel
import numpy as np
import pydicom
import pytest

from pipeline.data.inputs import expand_inputs
from pipeline.data.stages import write_stages
from pipeline.preprocessing.recipe import PRESETS
from tests.mutants import dicom_bytes, nifti_bytes, zip_bytes


def series(folder, *, uid, locations):
    """Write one file a location, named in another order than that of the locations."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, location in enumerate(locations):
        path = folder / f"IM{number}-{uid[-1]}"
        path.write_bytes(dicom_bytes(np.full((32, 32), number, np.int16)))
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID, dataset.ImagePositionPatient = uid, [0, 0, location]
        dataset.save_as(path)


def names(slices, base):
    return [(each.path.relative_to(base).as_posix(), each.frame) for each in slices]


def test_a_folder_is_its_series_by_location_and_its_pictures_by_name(tmp_path, picture, write_picture):
    series(tmp_path / "in" / "ct", uid="1.2.1", locations=[30, 10, 20])
    series(tmp_path / "in" / "ct", uid="1.2.2", locations=[5, 4])
    write_picture(tmp_path / "in" / "b.png", picture(1))
    write_picture(tmp_path / "in" / "a.jpg", picture(2))
    (tmp_path / "in" / "bad.png").write_text("no picture")
    (tmp_path / "in" / "README.md").write_text("passed over")
    (slices,) = expand_inputs([tmp_path / "in"])
    assert names(slices, tmp_path / "in") == [
        ("a.jpg", 0),
        ("b.png", 0),
        ("bad.png", 0),
        ("ct/IM0-1", 0),
        ("ct/IM2-1", 0),
        ("ct/IM1-1", 0),
        ("ct/IM0-2", 0),
        ("ct/IM1-2", 0),
    ]
    problems = {each.path.name: each.problem.code for each in slices if each.problem is not None}
    assert problems == {"bad.png": "not-an-image"}


def test_slices_of_a_series_say_which_and_where(tmp_path, picture, write_picture):
    series(tmp_path / "ct", uid="1.2.1", locations=[10, 20])
    series(tmp_path / "ct", uid="1.2.2", locations=[5])
    write_picture(tmp_path / "ct" / "scout.png", picture(1))
    (slices,) = expand_inputs([tmp_path / "ct"])
    assert [each.location for each in slices] == [20, 10, 5, None]
    first, second, other, scout = (each.series for each in slices)
    assert first == second != other and other is not None and scout is None


def test_a_volume_and_an_archive_are_their_slices_from_the_head_down(tmp_path):
    volume = np.random.default_rng(0).integers(-1000, 400, (24, 20, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(volume, np.diag([1, 1, -5, 1]))
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(image.to_bytes()))
    series(tmp_path / "ct", uid="1.2.1", locations=[30, 10, 20])
    members = {path.name: path.read_bytes() for path in (tmp_path / "ct").iterdir()}
    (tmp_path / "all.zip").write_bytes(zip_bytes(members | {"../out": b"x", "v.nii": nifti_bytes(volume)}))
    falling, archive = expand_inputs([tmp_path / "scan.nii.gz", tmp_path / "all.zip"])
    assert names(falling, tmp_path) == [("scan.nii.gz", 0), ("scan.nii.gz", 1), ("scan.nii.gz", 2)]
    assert [each.stem for each in falling] == ["scan", "scan-frame-2", "scan-frame-3"]
    assert names(archive, tmp_path / "all.zip") == [
        ("IM0-1", 0), ("IM2-1", 0), ("IM1-1", 0), ("__/out", 0), ("v.nii", 2), ("v.nii", 1), ("v.nii", 0),
    ]  # fmt: skip
    assert archive[3].problem.code == "unsafe-name"


def test_what_is_not_there_and_what_is_empty_has_its_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.zip").write_bytes(zip_bytes({}))
    missing, empty, archive = expand_inputs([tmp_path / "no.png", tmp_path / "empty", tmp_path / "empty.zip"])
    problems = [each.problem.code for slices in (missing, empty, archive) for each in slices]
    assert problems == ["missing-file", "no-slices", "no-slices"]


def test_stems_are_never_the_same_nor_a_way_up(tmp_path, picture, write_picture):
    for name in ("one/a.png", "two/a.png", "a-2.png", "...png"):
        write_picture(tmp_path / "x.png", picture(1)).rename(_parent(tmp_path / name))
    paths = [tmp_path / name for name in ("one/a.png", "two/a.png", "a-2.png", "...png", "one/a.png")]
    stems = [each.stem for slices in expand_inputs(paths) for each in slices]
    assert stems == ["a", "a-2", "a-2-2", "slice", "a-3"]


def _parent(path):
    path.parent.mkdir(exist_ok=True)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_no_text_is_shown_as_one(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.png")
    ((one,),) = expand_inputs([path])
    assert one.shown.endswith("bad\\xff.png")


def test_preprocess_writes_a_folder_for_each_slice_of_an_archive(tmp_path):
    volume = np.random.default_rng(0).integers(-1000, 400, (64, 64, 2)).astype(np.int16)
    (tmp_path / "all.zip").write_bytes(zip_bytes({"v.nii": nifti_bytes(volume), "bad.png": b"x" * 50}))
    complaints = []
    written = write_stages(
        [tmp_path / "all.zip"], out=tmp_path / "out", recipe=PRESETS["hilum"], on_error=complaints.append
    )
    assert [each.folder.name for each in written] == ["v-frame-2", "v"]  # the head first
    assert len(list((tmp_path / "out" / "v-frame-2").glob("*-lung-mask.png"))) == 1
    assert len(complaints) == 1 and "all.zip/bad.png: This is not an image" in complaints[0]
