"""A workspace, disk or port that fails, and a kill in the middle."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline import launch
from pipeline.launch import AddressUnknownError, NoFreePortError, free_port
from pipeline.storage import WorkspaceUnwritableError, explained
from pipeline.workspace import Workspace
from tests.bad_input.making import ROOT, confined, needs_limits, says, write_classes


@pytest.mark.parametrize(
    ("content", "advice"),
    [('{"format": 99}', "format 99"), ("{", "is damaged.*backup"), ("[]", "is damaged.*--workspace")],
)
def test_a_workspace_of_another_time_or_damaged_is_refused(shell, tmp_path, content, advice):
    (tmp_path / "workspace.json").write_text(content)
    for verb in ("runs", "jobs", "dashboard"):
        assert says(advice, shell(verb, workspace=tmp_path, status=2).err)


@needs_limits
def test_a_read_only_workspace_is_one_sentence(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    workspace.runs.chmod(0o555)
    try:
        done = confined("runs", workspace=workspace.root)
    finally:
        workspace.runs.chmod(0o755)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "read-only" in done.stderr and "--workspace" in done.stderr


@needs_limits
@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_pass_goes_on_when_there_is_room(place, shell, tmp_path):
    """The limit on a file's size stands for the full disk: the index's journal meets it in the middle."""
    workspace = Workspace.open(tmp_path / "workspace")
    shell("jobs", workspace=workspace.root, status=0)
    done = confined("index", place.bad / "few", "--name", "few", workspace=workspace.root, most_kib=40)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "disk is full" in done.stderr and "Make room" in done.stderr
    said = shell("index", place.bad / "few", "--name", "few", "--json", workspace=workspace.root, status=0)
    assert json.loads(said.out)["slices"] == 13


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (OSError(28, "No space left on device"), "disk is full.*Make room"),
        (PermissionError(13, "Permission denied", "/x/maps"), "/x/maps cannot be written.*permissions"),
        (RuntimeError("save failed: No space left on device"), "disk is full"),
    ],
)
def test_a_refusal_in_a_library_is_told_too(cause, advice):
    with pytest.raises(WorkspaceUnwritableError, match=advice), explained():
        raise RuntimeError("a library's own words") from cause
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError


def test_a_database_that_refuses_is_told_with_the_way_out():
    for words, advice in [
        ("database or disk is full", "disk is full"),
        ("attempt to write a readonly database", "permissions"),
        ("file is not a database", "backup"),
        ("disk I/O error", "or it fails"),
    ]:
        with pytest.raises(WorkspaceUnwritableError, match=advice), explained():
            raise sqlite3.OperationalError(words)


def test_a_page_says_the_same_sentence() -> None:
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        from dashboard.widgets import guarded

        with guarded():
            raise OSError(28, "No space left on device")

    (error,) = AppTest.from_function(page, default_timeout=60).run().error
    assert "The disk is full" in error.value and "reference" not in error.value


@needs_limits
@pytest.mark.slow
def test_a_killed_index_goes_on_where_it_was(shell, tmp_path):
    """The journal is what survives; the second pass reads only what the first had not."""
    source = write_classes(tmp_path / "many", {"pCT": 300, "nCT": 300})
    workspace = Workspace.open(tmp_path / "workspace")
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace.root), "index", str(source)]
    journal = workspace.dataset_dir("many") / "index.journal"
    process = subprocess.Popen([*command, "--name", "many"], cwd=ROOT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size) and process.poll() is None:
        assert time.monotonic() < end, "the index never began"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9, "it was killed in the middle"
    assert "lost" in shell("jobs", workspace=workspace.root, status=0).out
    said = shell("index", source, "--name", "many", "--json", workspace=workspace.root, status=0)
    found = json.loads(said.out)
    assert (found["slices"], found["errors"]) == (600, [])
    assert 0 < found["read"] < 600
    assert not journal.exists()


def test_a_taken_port_gives_the_next_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert taken < free_port(taken) < taken + 20


def test_ports_that_are_all_taken_and_addresses_of_others_name_the_way_out(monkeypatch):
    monkeypatch.setattr(launch, "PORTS_TRIED", 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(NoFreePortError, match="--port"):
            free_port(other.getsockname()[1])
    with pytest.raises(AddressUnknownError, match="Leave out --address"):
        free_port(9000, "203.0.113.7")


def test_a_port_that_cannot_be_is_refused(shell):
    assert "65535" in shell("dashboard", "--port", 70000, status=2).err
