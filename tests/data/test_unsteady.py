"""Disks and shares that misbehave: they block, forbid, break off, or change a file while it is read.

The worker is started through a script that makes opening files behave so, whoever runs the tests (root may
read everything, and no share is at hand).
"""

import sys
import textwrap
import threading

import pytest

from pipeline.data import reading, sandbox
from pipeline.data.index import build_index, load_index
from pipeline.data.inputs import expand_inputs
from pipeline.data.reading import SliceError, read_slice
from tests.mutants import zip_bytes

MISBEHAVE = """
    import os, sys, time
    sys.path.insert(0, os.getcwd())
    opened = os.open

    def misbehave(path, *rest, **named):
        name = os.path.basename(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if name.startswith("slow"):
            time.sleep(600)
        if name.startswith("forbidden"):
            raise PermissionError(13, "Permission denied", path)
        if name.startswith("gone"):
            raise OSError(5, "Input/output error", path)
        if name.startswith("growing"):
            with open(path, "ab") as file:
                file.write(b"more")
        return opened(path, *rest, **named)

    os.open = misbehave
    from pipeline.data import sandbox
    sandbox.main()
"""


@pytest.fixture
def unsteady(tmp_path, monkeypatch):
    """Workers for which files of four names misbehave, and a patience of two seconds."""
    script = tmp_path / "unsteady.py"
    script.write_text(textwrap.dedent(MISBEHAVE))
    monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(sandbox, "_idle", sandbox._Idle())
    monkeypatch.setattr("pipeline.data.parallel.TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(sandbox.Worker.receive, "__kwdefaults__", {"timeout": 2.0})
    yield
    for worker in sandbox._idle.workers:
        worker.close()


def test_a_share_that_misbehaves_costs_the_slices_it_has(workspace, folder, unsteady):
    for name in ("slow", "forbidden", "gone", "growing"):
        (folder / "pCT" / f"{name}.png").write_bytes((folder / "pCT" / "pCT1.png").read_bytes())
    (folder / "nCT" / "slow.zip").write_bytes(zip_bytes({"a.png": b"x"}))
    summary = build_index(workspace, folder, name="set")
    assert {error["path"]: error["code"] for error in summary.errors} == {
        "pCT/slow.png": "timeout",
        "pCT/forbidden.png": "permission-denied",
        "pCT/gone.png": "read-error",
        "pCT/growing.png": "changed",
        "nCT/slow.zip": "timeout",
    }
    assert (load_index(workspace, "set")["status"] == "ok").sum() == 9


def test_what_was_unsteady_is_read_again_when_the_share_is_back(workspace, folder, unsteady, monkeypatch):
    (folder / "pCT" / "forbidden.png").write_bytes((folder / "pCT" / "pCT1.png").read_bytes())
    assert len(build_index(workspace, folder, name="set").errors) == 1
    monkeypatch.undo()
    second = build_index(workspace, folder, name="set")
    assert (second.errors, second.read) == ([], 1)


def test_a_page_does_not_wait_for_a_share_that_blocks(folder, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(reading, "TIMEOUT_SECONDS", 0.3)

    def block(path):
        answered.wait(60)
        raise SliceError("read-error", "The share is gone.")

    monkeypatch.setattr(reading, "open_file", block)
    try:
        with pytest.raises(SliceError) as caught:
            read_slice(folder / "pCT" / "pCT1.png")
        assert caught.value.code == "timeout"
        ((one,),) = expand_inputs([folder / "pCT" / "pCT1.png"])
        assert one.problem is not None and one.problem.code == "timeout"
        monkeypatch.undo()
        assert read_slice(folder / "pCT" / "pCT1.png").format == "png"
    finally:
        answered.set()
