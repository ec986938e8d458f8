"""Series told apart in what was given, predicted, and answered as cases."""

from pathlib import Path

import pydicom
import pytest

from pipeline.data.inputs import InputSlice, expand_inputs
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.data.slice_image import SliceError
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_inputs
from pipeline.inference.series import gather_series, predict_series, predict_series_inputs
from pipeline.runs import RunStore
from tests.inference.conftest import as_grey, patient, write_png


def write_series(folder: Path, seed: int = 1000, *, patient_id: str | None = None) -> list[Path]:
    """Write a phantom's six slices, their names in another order than the body's."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, phantom in enumerate(patient(seed)):
        path = folder / f"IM{(number * 5) % 6 + 7}.dcm"
        path.write_bytes(encode_dicom(phantom, instance=number + 1))
        if patient_id is not None:
            dataset = pydicom.dcmread(path)
            dataset.PatientID = patient_id
            dataset.save_as(path)
        paths.append(path)
    return paths


def gathered(*inputs: Path):
    return [series for slices in expand_inputs(inputs) for series in gather_series(slices)]


def test_series_of_one_folder_are_told_apart_and_unreadable_files_counted_to_the_first(tmp_path):
    write_series(tmp_path, 1000)
    for path in write_series(tmp_path / "other", 1007):
        path.rename(tmp_path / f"other-{path.name}")
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\0")
    first, second = gathered(tmp_path)
    assert [len(first.slices), len(second.slices)] == [7, 6]
    assert first.slices[-1].problem is not None and first.slices[-1].path.name == "broken.dcm"
    places = [each.location for each in second.slices]
    assert places == sorted(places, reverse=True)
    assert [first.name, second.name] == [f"{tmp_path}, series 1", f"{tmp_path}, series 2"]


def test_pictures_of_a_folder_are_one_series_in_the_order_a_person_counts(tmp_path):
    for number in (10, 9, 1):
        write_png(tmp_path / f"s{number}.png", as_grey(patient()[3]).image)
    (series,) = gathered(tmp_path)
    assert [each.path.name for each in series.slices] == ["s1.png", "s9.png", "s10.png"]


def test_frames_of_a_file_are_a_series_whatever_lies_beside_it():
    frames = [InputSlice(Path("ct/v.tif"), frame) for frame in (1, 0)]
    stray = InputSlice(Path("ct/x.png"), problem=SliceError("corrupt", "It is damaged."))
    (series,) = gather_series([*frames, stray])
    assert series.name == "ct/v.tif" or series.name == "ct"
    assert [each.frame for each in series.slices[:2]] == [0, 1] and series.slices[2] == stray


@pytest.fixture
def home(workspace, run):
    """A workspace with the small run in it."""
    store = RunStore(workspace)
    made = store.create("small", {}, {})
    made.artifacts.parent.mkdir(parents=True, exist_ok=True)
    (run.artifacts / "engine").rename(made.artifacts / "engine")
    store.finish(made.id)
    return workspace


def test_a_series_has_a_line_a_slice_and_then_its_own(home, tmp_path):
    write_series(tmp_path / "ct")
    *lines, case = predict_series_inputs(home, "small", [tmp_path / "ct"])
    assert lines == list(predict_inputs(home, "small", [tmp_path / "ct"]))
    assert case["n"] == 6 and case["used"] + sum(case["left_out"].values()) == 6
    assert [each["input"] for each in case["slices"]] == [line["input"] for line in lines]
    counted = [
        line["probabilities"]
        for line, each in zip(lines, case["slices"], strict=True)
        if each["left_out"] is None
    ]
    if counted:
        mean = sum(scores["positive"] for scores in counted) / len(counted)
        assert case["probabilities"]["positive"] == pytest.approx(mean)


def test_mixed_patients_in_one_series_are_refused_as_a_case(home, tmp_path):
    paths = write_series(tmp_path / "ct")
    dataset = pydicom.dcmread(paths[0])
    dataset.PatientID = "somebody else"
    dataset.save_as(paths[0])
    *_, case = predict_series_inputs(home, "small", [tmp_path / "ct"])
    assert case["status"] == "none" and "Slices of 2 patients" in case["reason"]


def test_an_unreadable_slice_has_its_line_and_does_not_count(run, tmp_path):
    paths = write_series(tmp_path / "ct")
    paths[2].write_bytes(paths[2].read_bytes()[:-4000])
    (series,) = gathered(tmp_path / "ct")
    answers = list(predict_series(Engine.load(run), series, key=b"k" * 32))
    (bad,) = [each for each in answers if each.left_out == "unreadable"]
    assert bad.source.path == paths[2] and bad.answer["reason"] and len(answers) == 6
    assert len({each.patient_id for each in answers if each is not bad}) == 1
