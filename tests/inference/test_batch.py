"""Many slices as one table: the same answers as one by one, bad files as rows, resumed after a stop."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from pipeline.inference import batch, batch_here
from pipeline.inference.batch import predict_batch
from pipeline.inference.batch_file import BatchFileError
from pipeline.inference.predict import predict_inputs
from pipeline.jobs import JobStopped
from pipeline.notice import NOTICE
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import as_grey, patient, write_png


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A class folder of five slices, one of them no picture, and one named like a formula."""
    folder = tmp_path_factory.mktemp("batch") / "pCT"
    for place, phantom in enumerate(patient()[1:5]):
        write_png(folder / f"{'=a' if place == 0 else 's'}{place}.png", as_grey(phantom).image)
    (folder / "t.png").write_text("no picture")
    return folder.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Workspace:
    """A workspace with a finished run `small`."""
    workspace = Workspace.open(tmp_path_factory.mktemp("home") / "workspace")
    store = RunStore(workspace)
    made = store.create("small", {}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), made.artifacts / "engine")
    store.finish(made.id)
    return workspace


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(batch, "PART", 2)
    monkeypatch.setattr(batch_here, "CHUNK", 2)


def assert_same_answers(table: pd.DataFrame, lines: list[dict]) -> None:
    assert list(table["path"]) == [line["input"] for line in lines]
    for (_, row), line in zip(table.iterrows(), lines, strict=True):
        assert (row["status"], row["reason"]) == (line["status"], line["reason"])
        for name, value in line["probabilities"].items():
            assert row[f"probability_{name}"] == pytest.approx(value, abs=1e-4)
            assert row[f"logit_{name}"] == pytest.approx(line["logits"][name], abs=1e-3)
        if line["status"] != "error":
            facts = ["label", "seen", "little_lung", "calibrated"]
            assert [row[name] for name in facts] == [line[name] for name in facts]
            assert row["y_pred"] == line["model_label"] and row["model_sha256"] == line["model_sha256"]


def test_a_row_says_what_a_line_says_and_a_bad_file_is_a_row(home, folder, tmp_path):
    summary = predict_batch(home, "small", [folder], tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert_same_answers(table, list(predict_inputs(home, "small", [folder])))
    assert summary.rows == 5 and summary.statuses["error"] == 1
    assert "5 rows in" in summary.text and "1 unreadable" in summary.text
    bad = table[table["status"] == "error"].iloc[0]
    assert bad["path"].endswith("t.png") and "not an image" in bad["reason"] and pd.isna(bad["y_pred"])
    assert set(table["y_true"]) == {"positive"}, "the class folder is the label"
    assert table["slice_id"].is_unique
    assert set(table["notice"]) == {NOTICE}
    assert pyarrow.parquet.read_schema(tmp_path / "out.parquet").metadata[b"notice"] == NOTICE.encode()
    assert not (tmp_path / "out.parquet.parts").exists()


def test_a_csv_holds_the_same_and_no_formula(home, folder, tmp_path):
    predict_batch(home, "small", [folder / "pCT"], tmp_path / "out.csv")
    predict_batch(home, "small", [folder / "pCT"], tmp_path / "out.parquet")
    csv, parquet = pd.read_csv(tmp_path / "out.csv"), pd.read_parquet(tmp_path / "out.parquet")
    assert list(csv.columns) == list(parquet.columns) and len(csv) == 5
    scores = [name for name in csv.columns if name.startswith("probability_")]
    pd.testing.assert_frame_equal(csv[scores], parquet[scores], check_dtype=False)
    assert not csv["path"].str.match(r"[=+\-@]").any()


def test_a_stopped_batch_goes_on_where_it_was(home, folder, tmp_path, small_parts):
    def stop_after_two(done, total, message=""):
        if done >= 2:
            raise JobStopped("Stopped on request.")

    target = tmp_path / "out.parquet"
    with pytest.raises(JobStopped):
        predict_batch(home, "small", [folder], target, progress=stop_after_two)
    assert not target.exists() and len(list((tmp_path / "out.parquet.parts").iterdir())) == 1
    with pytest.raises(BatchFileError, match="--resume to go on"):
        predict_batch(home, "small", [folder], target)
    summary = predict_batch(home, "small", [folder], target, resume=True)
    assert summary.kept == 2 and summary.rows == 5
    assert_same_answers(pd.read_parquet(target), list(predict_inputs(home, "small", [folder])))


def test_a_part_of_files_that_changed_since_is_made_anew(home, folder, tmp_path, small_parts):
    source = shutil.copytree(folder, tmp_path / "copy")
    stops = iter([False, False, True])

    def stop(done, total, message=""):
        if next(stops, False):
            raise JobStopped("Stopped on request.")

    target = tmp_path / "out.parquet"
    with pytest.raises(JobStopped):
        predict_batch(home, "small", [source], target, progress=stop)
    write_png(source / "pCT" / "=a0.png", as_grey(patient(1007)[3]).image)
    summary = predict_batch(home, "small", [source], target, resume=True)
    assert summary.kept == 2
    assert_same_answers(pd.read_parquet(target), list(predict_inputs(home, "small", [source])))


def test_processes_give_the_same_as_this_one(home, folder, tmp_path, monkeypatch):
    predict_batch(home, "small", [folder], tmp_path / "one.parquet")
    monkeypatch.setattr(batch_here, "FEW", 0)
    predict_batch(home, "small", [folder], tmp_path / "more.parquet", processes=1)
    one, more = pd.read_parquet(tmp_path / "one.parquet"), pd.read_parquet(tmp_path / "more.parquet")
    pd.testing.assert_frame_equal(one, more, atol=1e-5)


@pytest.mark.parametrize(("name", "words"), [("out.xlsx", r"\.parquet or \.csv"), ("", "folder")])
def test_a_file_that_cannot_be_written_is_refused_first(home, folder, tmp_path, name, words):
    (tmp_path / "is.csv").mkdir()
    target = tmp_path / (name or "is.csv")
    with pytest.raises(BatchFileError, match=words):
        predict_batch(home, "small", [folder], target)
