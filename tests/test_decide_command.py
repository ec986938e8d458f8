"""`decide` and `audit --report` on a small data set: documents, texts and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.data.deciding import all_but_one
from pipeline.data.decisions import DecisionError
from pipeline.data.index import build_index
from pipeline.workspace import Workspace


@pytest.fixture
def run(workspace: Workspace, tmp_path: Path):
    """A function that runs words and returns what they print."""
    rng = np.random.default_rng(0)
    for number in range(4):
        path = tmp_path / "slices" / ("pCT", "nCT")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (90, 90), dtype=np.uint8))
    build_index(workspace, tmp_path / "slices", name="small")

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["--workspace", str(workspace.root), *words], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return run


def test_decisions_are_typed_listed_and_taken_back(run):
    made = json.loads(run("decide", "small", "exclude", "pCT/0.png", "--json"))
    assert made["excluded"] == 1 and made["slices"][0]["verdict"] == "excluded"
    beginning = made["slices"][0]["slice_id"][:8]
    assert "fine" in run("decide", "small", "fine", beginning, "--finding", "tiny")
    listed = json.loads(run("decide", "small", "list", "--json"))
    assert listed["slices"] == [made["slices"][0] | {"verdict": "fine", "findings": ["tiny"]}]
    run("decide", "small", "undo")
    assert json.loads(run("decide", "small", "list", "--json"))["excluded"] == 1
    run("decide", "small", "undo", "pCT/0.png")
    assert json.loads(run("decide", "small", "list", "--json"))["slices"] == []


def test_of_copies_one_of_each_is_kept(run, workspace, tmp_path):
    """Three slices of the same pixels in one class, two in another: the first by path of each stays."""
    source = tmp_path / "slices"
    for copied, name in (("pCT/0.png", "pCT/z.png"), ("pCT/0.png", "pCT/A.png"), ("nCT/1.png", "nCT/9.png")):
        (source / name).write_bytes((source / copied).read_bytes())
    run("index", str(source), "--name", "small")
    made = json.loads(run("decide", "small", "exclude", "--finding", "exact-copies", "--keep-one", "--json"))
    assert {each["path"] for each in made["slices"]} == {"pCT/A.png", "pCT/z.png", "nCT/9.png"}
    run("decide", "small", "undo")
    run("decide", "small", "exclude", "pCT/0.png")
    run("decide", "small", "fine", "nCT/9.png", "--finding", "exact-copies")
    assert all_but_one(workspace, "small", "exact-copies") == made_ids(made, "pCT/z.png")
    run("decide", "small", "exclude", "pCT/z.png")
    with pytest.raises(DecisionError, match="no copies left"):
        all_but_one(workspace, "small", "exact-copies")


def made_ids(made, path):
    return [each["slice_id"] for each in made["slices"] if each["path"] == path]


@pytest.mark.parametrize("code", ["neighbours", "exact-copies-across-classes", "tiny"])
def test_one_of_each_is_not_kept_where_a_person_must_look(run, workspace, code):
    with pytest.raises(DecisionError, match="look at them"):
        all_but_one(workspace, "small", code)


def test_what_is_not_there_is_refused(run):
    with pytest.raises(DecisionError, match="No slice has the id"):
        run("decide", "small", "exclude", "nowhere.png")
    with pytest.raises(DecisionError, match="choose one of"):
        run("decide", "small", "delete", "pCT/0.png")
    with pytest.raises(DecisionError, match="exclude --finding CODE"):
        run("decide", "small", "exclude", "pCT/0.png", "--keep-one")


def test_an_audit_is_written_as_a_page(run, tmp_path):
    found = json.loads(run("audit", "small", "--json", "--report", str(tmp_path / "a.html")))
    assert found["decisions"] == {"excluded": 0, "fine": 0}
    assert "data:image/jpeg" in (tmp_path / "a.html").read_text()
    assert "Tiny (tiny, 4 slices)" in run(
        "audit", "small", "--report", str(tmp_path / "b.html"), "--no-pictures"
    )
    assert "data:image/jpeg" not in (tmp_path / "b.html").read_text()
