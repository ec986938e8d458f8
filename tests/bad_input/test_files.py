"""Bad files, folders and labels given to a verb."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.runs import RunStore
from tests import families
from tests.bad_input.making import says


def test_every_bad_file_has_its_row_and_the_rest_goes_on(place, shell):
    found = json.loads(shell("index", place.bad / "mixed", "--name", "mixed", "--json", status=0).out)
    assert found["slices"] == 4
    codes = {error["path"]: error["code"] for error in found["errors"]}
    assert codes == {"corrupt.png": "corrupt", "no-pixels.dcm": "no-pixels", "tiny.png": "too-small"}


def test_a_folder_of_texts_is_indexed_and_cannot_be_split(place, shell):
    shell("index", place.bad / "texts", "--name", "texts", status=0)
    for group_by in ("patient", "cluster"):
        said = shell("split", "texts", "--group-by", group_by, status=2)
        assert "could be read as a slice" in said.err


def test_preprocess_names_each_bad_file_and_writes_the_others(place, shell, tmp_path):
    files = sorted((place.bad / "mixed").iterdir())
    said = shell("preprocess", *files, place.bad / "nowhere.png", "--out", tmp_path, status=0)
    assert [Path(line).name for line in said.out.split()] == ["photo"]
    assert "photo: the lung mask is not believed" in said.err
    for name in ("corrupt.png", "no-pixels.dcm", "tiny.png", "nowhere.png"):
        assert f"{name}: " in said.err


@pytest.mark.slow
def test_predict_gives_every_bad_file_its_line(place, shell):
    store = RunStore(place.workspace)
    run = store.create("model", {"dataset": "few"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), run.artifacts / "engine")
    store.finish(run.id)
    files = [*sorted((place.bad / "mixed").iterdir()), place.bad / "nowhere.png", place.bad / "empty"]
    said = shell("predict", "model", *files, "--json", status=0)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["input"] for line in lines] == [str(path) for path in files]
    assert all(line["reason"] for line in lines)
    statuses = {Path(line["input"]).name: line["status"] for line in lines}
    assert statuses.pop("photo.png") == "rejected"
    assert set(statuses.values()) == {"error"}


@pytest.mark.usefixtures("few")
def test_a_place_that_is_taken_by_a_file_is_named(place, shell):
    taken = place.bad / "mixed" / "photo.png"
    said = shell("preprocess", taken, "--out", taken, status=2)
    assert "photo.png" in said.err and "in the way" in said.err


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"file,class\na,b\n", "it needs `path`"),
        (b"", "it needs `path`"),
        (b"path,label\nnCT/nCT0.png,nCT\nnCT/nCT0.png,pCT\n", "line 3.*label 'positive'.*'negative'"),
        (
            b"path,label,patient_id\nnCT/nCT0.png,nCT,A\nnCT/nCT0.png,nCT,B\n",
            "line 3.*patient_id 'B'.*before, 'A'.*Keep one",
        ),
        (b"path,label\n\0\0\0\n", "is no text.*CSV"),
        (b'path,label\n"' + b"x" * 200_000, "no CSV table"),
        (None, "labels.csv cannot be read.*Check the path"),
    ],
    ids=["columns", "empty", "two-labels", "two-patients", "binary", "endless-cell", "missing"],
)
def test_labels_that_cannot_be_used_say_why(place, shell, tmp_path, content, advice):
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    said = shell("index", place.bad / "few", "--name", "labelled", "--labels", path, status=2)
    assert says(advice, said.err), said.err
    assert not place.workspace.dataset_dir("labelled").joinpath("dataset.json").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_labels_in_any_usual_encoding_are_read_and_missing_files_named(place, shell, tmp_path, encoding):
    path = tmp_path / "labels.csv"
    path.write_bytes("path\tlabel\tward\nnCT/nCT0.png\tnCT\tSüd\nnCT/gone.png\tnCT\t\n".encode(encoding))
    name = f"encoded-{encoding}"
    said = shell("index", place.bad / "few", "--name", name, "--labels", path, "--json", status=0)
    found = json.loads(said.out)
    assert found["slices"] == 14
    (error,) = found["errors"]
    assert (error["path"], error["code"]) == ("nCT/gone.png", "missing-file")
    assert "relative" in error["reason"]
