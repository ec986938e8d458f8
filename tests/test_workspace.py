"""The workspace: names, formats, atomic writes."""

import errno
import os

import pandas as pd
import pytest

from pipeline import workspace as module
from pipeline.workspace import (
    InvalidNameError,
    Workspace,
    WorkspaceFormatError,
    WorkspaceUnwritableError,
    atomic_write_bytes,
    atomic_write_json,
    atomic_write_parquet,
    checked_name,
    read_json,
)


@pytest.mark.parametrize("name", ["hust19", "a", "A.b-c_1", "x" * 64])
def test_good_names_pass(name):
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "é", "x" * 65, ".hidden", "a\n"])
def test_names_that_are_no_folder_are_refused(name):
    with pytest.raises(InvalidNameError, match="letters, digits"):
        checked_name(name)


def test_a_workspace_is_made_once_and_reopened(tmp_path):
    first = Workspace.open(tmp_path / "w")
    key = first.pseudonym_key()
    assert len(key) == 32
    assert Workspace.open(tmp_path / "w").pseudonym_key() == key


def test_a_newer_format_is_refused_by_name(tmp_path):
    Workspace.open(tmp_path)
    atomic_write_json(tmp_path / "workspace.json", {"format": 99})
    with pytest.raises(WorkspaceFormatError, match="format 99"):
        Workspace.open(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceUnwritableError, match="--workspace"):
        Workspace.open(tmp_path / "file")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "value.json"
    atomic_write_json(path, {"a": 1})

    def full_disk(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full_disk)
    with pytest.raises(WorkspaceUnwritableError, match="disk is full"):
        atomic_write_bytes(path, b"new")
    monkeypatch.undo()
    assert read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["value.json"]


def test_parquet_round_trip(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    atomic_write_parquet(tmp_path / "t.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
