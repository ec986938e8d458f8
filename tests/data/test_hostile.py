"""Files made to do harm: 500 mutants, each a row within seconds, no process beyond a gigabyte."""

from pathlib import Path

import pytest

from pipeline.data import sandbox
from pipeline.data.index import build_index, load_index
from tests.mutants import make_mutants

MUTANTS = 500


@pytest.fixture
def mutants(tmp_path):
    folder = tmp_path / "mutants"
    folder.mkdir()
    for number, data in enumerate(make_mutants(MUTANTS)):
        (folder / f"{number:04d}").write_bytes(data)
    return folder


def test_every_mutant_is_a_row(workspace, mutants):
    summary = build_index(workspace, mutants, name="mutants")
    table = load_index(workspace, "mutants")
    assert table["path"].str.slice(0, 4).nunique() == MUTANTS  # a ZIP is the rows of its members
    assert all(len(error["reason"]) > 10 for error in summary.errors)
    assert not {error["code"] for error in summary.errors} & {"timeout", "crashed"}
    assert len(summary.errors) < len(table)
    for worker in sandbox._idle.workers:
        if worker._process is not None and Path("/proc/self/status").exists():
            assert peak_memory(worker._process.pid) < 2**30


def peak_memory(pid):
    """Return the most memory that a process has held so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
