"""One small workspace with bad input beside it, and a shell to run verbs in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.__main__ import run_command_line
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests.bad_input.making import Answer, Place, write_bad_files, write_classes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace with the data set `few` (one positive slice), its split, and a run that was stopped."""
    home = tmp_path_factory.mktemp("bad-input")
    workspace = Workspace.open(home / "workspace")
    write_classes(home / "few", {"pCT": 1, "nCT": 12})
    write_bad_files(home / "mixed")
    for name in ("empty", "texts"):
        (home / name).mkdir()
    (home / "texts" / "a.txt").write_text("some words")
    store = RunStore(workspace)
    stopped = store.create("stopped-early", {"dataset": "few"}, {})
    store.finish(stopped.id, "stopped")
    for _ in range(2):
        store.create("twin", {}, {})
    return Place(workspace, home)


@pytest.fixture
def shell(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run a verb in this process on the shared workspace, and check its status."""

    def run(*words: object, status: int, workspace: Path | None = None) -> Answer:
        root = workspace or place.workspace.root
        monkeypatch.setattr(sys, "argv", ["pipeline", "--workspace", str(root), *map(str, words)])
        capsys.readouterr()
        try:
            ended = run_command_line()
        except SystemExit as left:
            ended = int(left.code or 0)
        said = Answer(*capsys.readouterr())
        assert ended == status, said
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture
def few(place: Place, shell: Callable[..., Answer]) -> None:
    """The data set `few`, indexed and split by clusters."""
    if not (place.workspace.dataset_dir("few") / "dataset.json").exists():
        shell("index", place.bad / "few", "--name", "few", status=0)
        shell("split", "few", "--group-by", "cluster", "--as", "frozen", status=0)
