"""Indexing again: the unchanged is not read, changes are seen, and a pass that was killed is gone on with."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from pipeline.data import index as module
from pipeline.data import index_summary, known_rows
from pipeline.data.index import build_index, list_datasets, load_index, remove_dataset, slice_path
from pipeline.data.labels import RULES
from pipeline.workspace import atomic_write_parquet


def files_of(workspace, name="set"):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in workspace.dataset_dir(name).iterdir()
        if path.is_file() and path.name != ".lock"
    }


def test_a_folder_that_did_not_change_is_not_read_and_nothing_is_written(workspace, folder):
    (folder / "nCT" / "text.png").write_text("not a picture")
    (folder / "README.md").write_text("about")
    first = build_index(workspace, folder, name="set")
    written = files_of(workspace)
    again = build_index(workspace, folder, name="set")
    assert files_of(workspace) == written
    assert again.read == 0
    assert {**again.to_json(), "read": 0, "seconds": 0} == {**first.to_json(), "read": 0, "seconds": 0}


@pytest.mark.parametrize("what", ["labels", "gone", "touched", "moved"])
def test_whatever_changes_is_seen(workspace, folder, tmp_path, what):
    labels = folder / "labels.csv"
    labels.write_text("path,label\npCT/pCT1.png,nCT\n")
    build_index(workspace, folder, name="set")
    if what == "labels":
        labels.write_text("path,label\npCT/pCT2.png,nCT\n")
    elif what == "gone":
        (folder / "pCT" / "pCT1.png").unlink()
    elif what == "touched":
        os.utime(folder / "pCT" / "pCT1.png", ns=(0, 0))
    else:
        folder = folder.rename(tmp_path / "elsewhere")
    summary = build_index(workspace, folder, name="set")
    table = load_index(workspace, "set").set_index("path")
    assert summary.read == (1 if what == "touched" else 0)
    assert table.loc["pCT/pCT1.png", "label"] == ("positive" if what == "labels" else "negative")
    assert table.loc["pCT/pCT1.png", "status"] == ("missing-file" if what == "gone" else "ok")
    assert slice_path(workspace, "set", table.reset_index().iloc[0]).parents[1] == folder


def test_new_rules_for_a_csv_make_the_table_again_without_reading_the_files(workspace, folder, monkeypatch):
    """What an older Hilum took over from a CSV, such as patients by name, is gone with the next pass."""
    (folder / "labels.csv").write_text("path,Patient\npCT/pCT1.png,Mustermann\n")
    monkeypatch.setattr(index_summary, "RULES", RULES - 1)
    monkeypatch.setattr(module, "without_names", lambda found, key: found)
    build_index(workspace, folder, name="set")
    assert holding(workspace.root, b"Mustermann")
    monkeypatch.undo()
    assert build_index(workspace, folder, name="set").read == 0
    assert load_index(workspace, "set")["patient_id"].dropna().str.startswith("P-").tolist() == [True]
    assert not holding(workspace.root, b"Mustermann")


def holding(folder, text):
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_a_reason_that_may_be_gone_is_asked_again(workspace, folder, monkeypatch):
    """A file that timed out is read again, though it is the same."""
    monkeypatch.setattr(known_rows, "TRANSIENT", known_rows.TRANSIENT | {"not-an-image"})
    monkeypatch.setattr(index_summary, "TRANSIENT", known_rows.TRANSIENT)
    (folder / "nCT" / "text.png").write_text("not a picture")
    build_index(workspace, folder, name="set")
    assert build_index(workspace, folder, name="set").read == 1


def test_what_the_audit_measured_stays_while_a_file_does(workspace, folder, picture, write_picture):
    build_index(workspace, folder, name="set")
    path = workspace.dataset_dir("set") / "index.parquet"
    table = pd.read_parquet(path).assign(lung_fraction=0.25)
    atomic_write_parquet(path, table.drop(columns="blur"))  # as an older Hilum would have left it
    write_picture(folder / "pCT" / "pCT1.png", picture(77))
    assert build_index(workspace, folder, name="set").read == 1
    after = load_index(workspace, "set").set_index("path")
    assert after["lung_fraction"].isna().sum() == 1 and np.isnan(after.loc["pCT/pCT1.png", "lung_fraction"])
    assert after["blur"].isna().all()


def test_a_pass_that_ends_between_table_and_manifest_is_done_again(workspace, folder, monkeypatch):
    """The folder goes back to what the old manifest describes, and the table must follow it."""
    build_index(workspace, folder, name="set")
    before = load_index(workspace, "set")
    aside = (folder / "pCT" / "pCT1.png").rename(folder.parent / "aside.png")
    write = module.atomic_write_json

    def dies(path, document):
        if document.get("state") is not None:
            raise KeyboardInterrupt
        write(path, document)

    monkeypatch.setattr(module, "atomic_write_json", dies)
    with pytest.raises(KeyboardInterrupt):
        build_index(workspace, folder, name="set")
    monkeypatch.undo()
    assert len(load_index(workspace, "set")) == len(before) - 1
    aside.rename(folder / "pCT" / "pCT1.png")
    build_index(workspace, folder, name="set")
    pd.testing.assert_frame_equal(load_index(workspace, "set"), before)


@pytest.mark.parametrize("at", [1, 40, 150])
def test_a_pass_killed_in_the_middle_goes_on(workspace, folder, picture, write_picture, at):
    """A process with two workers is killed (-9) after so many files; the next pass reads only the others."""
    for seed in range(200):
        write_picture(folder / "nCT" / f"more{seed}.png", picture(1000 + seed))
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace.root)]
    process = subprocess.Popen(
        [*command, "index", str(folder), "--name", "set"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = workspace.dataset_dir("set") / "index.journal"
    try:
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < at):
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    kept = len(module._journal(workspace, "set").load(binary=()))
    assert kept >= at
    assert list_datasets(workspace) == []
    summary = build_index(workspace, folder, name="set")
    assert (summary.slices, summary.errors, summary.read) == (209, [], 209 - kept)
    whole = load_index(workspace, "set")
    remove_dataset(workspace, "set")
    build_index(workspace, folder, name="set")
    pd.testing.assert_frame_equal(whole, load_index(workspace, "set"))
