"""The index: every file a row, one reading a file, nothing lost to a kill."""

import json
import os
import re
import shutil
import sys
import time

import numpy as np
import pandas as pd
import pytest

from pipeline.console import index_text
from pipeline.data import index as module
from pipeline.data.datasets import (
    DatasetExistsError,
    DatasetNotFoundError,
    load_fingerprints,
    load_histograms,
)
from pipeline.data.index import (
    build_index,
    describe_removal,
    list_datasets,
    load_index,
    remove_dataset,
    slice_path,
)
from pipeline.data.scan import SourceError, scan_folder
from pipeline.data.statistics import content_hash
from pipeline.jobs import JobStopped
from pipeline.workspace import atomic_write_json, read_json


def errors_of(summary):
    return {error["path"]: error["code"] for error in summary.errors}


def test_a_folder_of_three_classes(workspace, folder):
    summary = build_index(workspace, folder, name="set")
    document = json.loads(json.dumps(summary.to_json()))
    assert document["by_label"] == {"positive": 4, "negative": 3, "non-informative": 2}
    assert (document["slices"], document["patients"], document["errors"]) == (9, 0, [])
    table = load_index(workspace, "set")
    assert (table["status"] == "ok").all()
    assert list(table["format"].value_counts().items()) == [("png", 8), ("jpeg", 1)]
    assert table["slice_id"].is_unique and table["content_hash"].is_unique
    assert len(load_fingerprints(workspace, "set")) == 9
    np.testing.assert_allclose(load_histograms(workspace, "set").sum(axis=1), 1, atol=0.01)
    row = table.iloc[0]
    assert slice_path(workspace, "set", row) == folder / row["path"]


def test_ids_stay_the_same_over_reindexing_and_on_another_machine(workspace, folder, tmp_path):
    build_index(workspace, folder, name="set")
    first = load_index(workspace, "set")
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    (moved / "pCT" / "pCT1.png").unlink()
    summary = build_index(workspace, moved, name="set")
    assert summary.read == 0
    assert set(load_index(workspace, "set")["slice_id"]) < set(first["slice_id"])


def test_a_second_pass_reads_only_what_changed(workspace, folder, picture, write_picture):
    build_index(workspace, folder, name="set")
    assert build_index(workspace, folder, name="set").read == 0
    write_picture(folder / "pCT" / "pCT1.png", picture(77))
    write_picture(folder / "nCT" / "new.png", picture(78))
    before = load_index(workspace, "set").set_index("path")
    assert build_index(workspace, folder, name="set").read == 2
    after = load_index(workspace, "set").set_index("path")
    changed = before["content_hash"] != after["content_hash"].reindex(before.index)
    assert list(before.index[changed]) == ["pCT/pCT1.png"]
    unchanged = before.index[~changed]
    pd.testing.assert_frame_equal(before.loc[unchanged], after.loc[unchanged])


def test_bad_files_are_rows_with_reasons_and_the_rest_goes_on(
    workspace, folder, picture, write_picture, write_dicom
):
    bad = folder / "nCT"
    (bad / "text.png").write_text("not a picture")
    (bad / "notes.txt").write_text("a note")
    (bad / "empty.png").write_bytes(b"")
    whole = (bad / "nCT1.png").read_bytes()
    (bad / "half.png").write_bytes(whole[: len(whole) // 2])
    (bad / "broken.png").write_bytes(whole[: len(whole) // 2] + b"\0" * 40 + whole[len(whole) // 2 + 40 :])
    write_picture(bad / "dot.png", np.zeros((1, 1), np.uint8))
    write_picture(bad / "photo.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    shutil.copy(write_dicom(PixelData=None), bad / "report.dcm")
    os.symlink(bad / "loop.png", bad / "loop.png")
    os.symlink(folder, bad / "again")
    summary = build_index(workspace, folder, name="set")
    assert errors_of(summary) == {
        "nCT/text.png": "not-an-image",
        "nCT/notes.txt": "not-an-image",
        "nCT/empty.png": "empty-file",
        "nCT/half.png": "truncated",
        "nCT/broken.png": "corrupt",
        "nCT/dot.png": "too-small",
        "nCT/report.dcm": "no-pixels",
        "nCT/loop.png": "symlink-loop",
        "nCT/again": "symlink-loop",
    }
    assert all(error["reason"].endswith(".") for error in summary.errors)
    table = load_index(workspace, "set").set_index("path")
    assert summary.slices == len(table) == 19
    assert (table.loc["nCT/photo.png", "status"], table.loc["nCT/photo.png", "channels_equal"]) == (
        "ok",
        False,
    )
    assert "colour" in table.loc["nCT/photo.png", "note"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_row(workspace, folder):
    (folder / "pCT" / "pCT1.png").chmod(0)
    assert errors_of(build_index(workspace, folder, name="set")) == {"pCT/pCT1.png": "permission-denied"}


@pytest.mark.parametrize(
    "name", ["with space.png", "ünïcödé 漢字.png", "new\nline.png", "quote'\".png", "-rf.png"]
)
def test_odd_names_are_names(workspace, folder, picture, write_picture, name):
    write_picture(folder / "plain.png", picture(9)).rename(folder / "pCT" / name)
    assert build_index(workspace, folder, name="set").errors == []
    assert f"pCT/{name}" in set(load_index(workspace, "set")["path"])


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_no_text_is_a_row(workspace, folder):
    shutil.copy(folder / "pCT" / "pCT1.png", os.fsencode(folder / "pCT") + b"/bad\xff.png")
    assert errors_of(build_index(workspace, folder, name="set")) == {"pCT/bad\\xff.png": "bad-name"}


def test_what_is_no_slice_is_passed_over_and_said(workspace, folder, picture, write_picture):
    for name in ("README.md", "LICENSE", "notes.csv", ".hidden.png", "Thumbs.db", "DICOMDIR"):
        (folder / name).write_text("x")
    (folder / "pCT" / ".DS_Store").write_text("x")
    write_picture(folder / "masks" / "pCT" / "pCT1.png", picture(1))
    (folder / "masks" / ".hilum-ignore").touch()
    summary = build_index(workspace, folder, name="set")
    assert (summary.slices, summary.ignored_folders) == (9, ["masks"])
    assert set(summary.passed_over) == {"README.md", "LICENSE", "notes.csv"}


def test_frames_are_rows(workspace, tmp_path, write_dicom):
    path = write_dicom("many.dcm", stored=np.random.default_rng(0).integers(0, 999, (3, 32, 32), np.int16))
    summary = build_index(workspace, path.parent, name="set")
    table = load_index(workspace, "set")
    assert (summary.slices, list(table["frame"]), table["slice_id"].nunique()) == (3, [0, 1, 2], 3)
    assert build_index(workspace, path.parent, name="set").read == 0


def test_headers_give_pseudonyms_and_a_csv_replaces_them(workspace, write_dicom, tmp_path):
    source = write_dicom("a.dcm").parent
    build_index(workspace, source, name="set")
    own = load_index(workspace, "set")["patient_id"].item()
    assert own.startswith("P-")
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label,patient_id\na.dcm,pCT,R7\n")
    summary = build_index(workspace, source, name="set", labels_csv=labels)
    row = load_index(workspace, "set").iloc[0]
    assert (row["patient_id"], row["label"], summary.read) == ("R7", "positive", 0)
    build_index(workspace, source, name="set")
    assert load_index(workspace, "set")["patient_id"].item() == own


def test_planted_identifiers_are_nowhere_in_the_workspace(workspace, write_dicom):
    secrets = ["MRN-00042", "Doe", "Jane", "19700102", "1.2.3.4"]
    build_index(workspace, write_dicom("a.dcm").parent, name="set")
    text = load_index(workspace, "set").to_csv() + (workspace.dataset_dir("set") / "dataset.json").read_text()
    stored = b"".join(path.read_bytes() for path in workspace.dataset_dir("set").rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in text
        assert secret == "1.2.3.4" or secret.encode() not in stored


def test_a_csv_beats_folders_keeps_columns_and_names_what_is_missing(workspace, folder):
    (folder / "labels.csv").write_text(
        "path,label,patient_id,source,scanner\n"
        "pCT/pCT1.png,nCT,P1,clinic,big\n"
        "nCT/nCT1.png,,P1,,\n"
        "pCT/gone.png,pCT,P2,,\n"
    )
    summary = build_index(workspace, folder, name="set")
    assert errors_of(summary) == {"pCT/gone.png": "missing-file"}
    assert (summary.slices, summary.readable, summary.patients) == (10, 9, 1)
    assert summary.warnings[0].startswith("1 of 3 rows of labels.csv name no file")
    table = load_index(workspace, "set").set_index("path")
    first = table.loc["pCT/pCT1.png"]
    assert list(first[["label", "patient_id", "source", "scanner"]]) == ["negative", "P1", "clinic", "big"]
    assert list(table.loc["nCT/nCT1.png", ["label", "patient_id"]]) == ["negative", "P1"]
    assert table.loc["pCT/gone.png", "label"] == "positive"


def test_rows_without_a_file_count_nowhere_and_are_told_of_once(workspace, folder):
    lines = [f"old/{number}.png,covid{number % 2},R{number}" for number in range(60)]
    (folder / "labels.csv").write_text("\n".join(["path,label,patient_id", *lines, "pCT/pCT1.png,pCT,P1"]))
    summary = build_index(workspace, folder, name="set")
    assert (summary.slices, summary.readable, summary.patients, len(summary.errors)) == (69, 9, 1, 60)
    assert summary.by_label == {"positive": 4, "negative": 3, "non-informative": 2}
    text = index_text(summary.to_json())
    assert "set: 9 slices (positive 4" in text and "60 unreadable" in text
    assert text.count("60 of 61 rows of labels.csv name no file") == 1 and "old/" not in text


def test_a_row_is_matched_by_a_file_name_that_comes_once(workspace, folder, picture, write_picture):
    """Not where two files or two rows have the name, nor where the folder says another class."""
    for name in ("pCT/twice.png", "nCT/twice.png"):
        write_picture(folder / name, picture(len(name)))
    (folder / "labels.csv").write_text(
        "path,label,patient_id\n"
        "pCT1.png,pCT,P1\n"
        "elsewhere/nCT2.png,,P2\n"
        "twice.png,pCT,P3\n"
        "a/pCT2.png,pCT,P4\nb/pCT2.png,pCT,P5\n"
        "nCT3.png,pCT,P6\n"
    )
    summary = build_index(workspace, folder, name="set")
    assert set(errors_of(summary)) == {"twice.png", "a/pCT2.png", "b/pCT2.png", "nCT3.png"}
    patients = load_index(workspace, "set").query("status == 'ok'").set_index("path")["patient_id"].dropna()
    assert dict(patients) == {"pCT/pCT1.png": "P1", "nCT/nCT2.png": "P2"}
    assert "2 of 6 rows of labels.csv were matched by the file's name alone" in summary.warnings[1]


def test_synthetic_data_says_so(workspace, folder):
    atomic_write_json(folder / "synthetic.json", {"synthetic": True, "version": 3, "hash": "abc"})
    build_index(workspace, folder, name="set")
    manifest = read_json(workspace.dataset_dir("set") / "dataset.json")
    assert (manifest["synthetic"], manifest["generator"]["version"]) == (True, 3)
    assert [info.synthetic for info in list_datasets(workspace)] == [True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no slices"),
        (lambda path: path.write_text("x"), "is a file"),
    ],
)
def test_a_folder_that_cannot_be_indexed_says_what_to_do(workspace, tmp_path, make, message):
    make(tmp_path / "source")
    with pytest.raises(SourceError, match=message):
        build_index(workspace, tmp_path / "source", name="set")
    assert list_datasets(workspace) == []


def test_a_folder_of_texts_is_rows_and_no_crash(workspace, tmp_path):
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "texts" / name).write_text("some words")
    summary = build_index(workspace, tmp_path / "texts", name="set")
    assert (summary.slices, summary.by_label, len(summary.errors)) == (2, {}, 2)


def test_a_name_is_not_given_to_another_folder(workspace, folder, tmp_path, picture, write_picture):
    build_index(workspace, folder, name="set")
    write_picture(tmp_path / "other" / "pCT" / "x.png", picture(5))
    with pytest.raises(DatasetExistsError, match="Choose another name"):
        build_index(workspace, tmp_path / "other", name="set")


def test_a_stopped_pass_goes_on_where_it_was(workspace, folder, picture, write_picture, monkeypatch):
    for seed in range(80):
        write_picture(folder / "nCT" / f"more{seed}.png", picture(1000 + seed))

    def stop_soon(done, total, message=""):
        if done >= 32:
            raise JobStopped("enough")

    with pytest.raises(JobStopped):
        build_index(workspace, folder, name="set", progress=stop_soon)
    assert list_datasets(workspace) == []
    summary = build_index(workspace, folder, name="set")
    assert (summary.slices, summary.errors) == (89, [])
    assert summary.read <= 89 - 32
    assert not (workspace.dataset_dir("set") / "index.journal").exists()


def test_a_journal_cut_off_in_a_line_loses_that_line_only(workspace, folder):
    journal = module._journal(workspace, "set")
    workspace.dataset_dir("set").mkdir()
    with journal:
        for file in scan_folder(folder).files[:3]:
            journal.add(file, [{"frame": 0, "status": "ok", "fingerprint": b"\x01\x02"}])
    journal.path.write_bytes(journal.path.read_bytes()[:-30])
    kept = module._journal(workspace, "set").load(binary=("fingerprint",))
    assert len(kept) == 2
    assert {rows[0]["fingerprint"] for rows in kept.values()} == {b"\x01\x02"}


def test_removal_says_what_and_leaves_the_source(workspace, folder):
    build_index(workspace, folder, name="set")
    assert "9 slices" in describe_removal(workspace, "set") and str(folder) in describe_removal(
        workspace, "set"
    )
    remove_dataset(workspace, "set")
    assert list_datasets(workspace) == []
    assert len(list(folder.rglob("*.*"))) == 9
    with pytest.raises(DatasetNotFoundError, match="There is no data set 'set'"):
        load_index(workspace, "set")


def test_the_newest_data_set_comes_first(workspace, folder, monkeypatch):
    build_index(workspace, folder, name="first")
    time.sleep(1.1)
    build_index(workspace, folder, name="second")
    assert [info.name for info in list_datasets(workspace)] == ["second", "first"]


def test_real_slices_are_indexed_whole(workspace, real_data):
    summary = build_index(workspace, real_data / "slices", name="real", labels_csv=real_data / "slices.csv")
    assert (summary.slices, summary.errors) == (1115, [])
    assert summary.by_label == {"positive": 662, "negative": 381, "non-informative": 72}
    table = load_index(workspace, "real")
    sp = table[table["source"] == "sp"]
    assert set(sp.loc[sp["label"] == "negative", "channels"]) == {4}


def test_rates_and_the_search_for_copies_are_told(workspace, folder):
    told = []
    build_index(workspace, folder, name="set", progress=lambda *report: told.append(report))
    messages = [message for _, _, message in told]
    assert any(re.fullmatch(r"9 of 9 files, [\d,]+/s, 0 s left", message) for message in messages)
    assert messages[-2:] == ["Looking for copies among 9 slices", "9 slices, 9 files read"]
    assert told[-1][:2] == (1, 1) and told[-2][:2] == (0, 1)


def test_one_picture_has_one_hash_whatever_type_holds_it():
    """Whole HU are hashed as int16; what int16 can't hold, as it is."""
    hu = np.arange(-1024, 3072, dtype=np.float32).reshape(64, 64)
    assert content_hash(hu) == content_hash(hu.astype(np.int16)) != content_hash(hu + 1)
    for odd in (hu + 0.5, hu + 40_000):
        assert content_hash(odd.astype(np.float32)) not in {
            content_hash(hu),
            content_hash(odd.astype(np.int16)),
        }
