"""`readings`: its document, its text, its file, and its exit status."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.review.readings import SLICE_COLUMNS
from pipeline.review.store import ReviewStore
from tests.review.test_store import first, whole


@pytest.fixture
def run(workspace):
    """A function that runs words and returns the result."""
    store = ReviewStore.of(workspace)
    whole(store, "s1")
    first(store, "s2")

    def run(*words):
        return CliRunner().invoke(app, ["--workspace", str(workspace.root), "readings", *words])

    return run


def test_it_says_who_read_and_that_the_chain_is_whole(run):
    found = json.loads(run("--json").stdout)
    assert found["readers"] == [{"reader": "A. Reader", "readings": 2, "finished": 1}]
    assert found["chain"]["intact"] and found["chain"]["rows"] == 4
    assert "The chain is whole: 4 entries" in run().stdout


def test_a_seal_that_is_not_there_ends_with_status_1(run):
    seal = json.loads(run("--json").stdout)["chain"]["head"]
    assert "that of entry 4" in run("--verify", seal).stdout
    gone = run("--verify", "0123456789ab", "--json")
    assert gone.exit_code == 1 and "is gone" in json.loads(gone.stdout)["chain"]["problem"]


def test_the_file_has_the_readings_and_their_slices(run, tmp_path):
    assert "Written to" in run("--out", str(tmp_path / "r.csv")).stdout
    table = pd.read_csv(tmp_path / "r.csv")
    assert table["slice_id"].tolist() == ["s1", "s2"] and set(SLICE_COLUMNS) <= set(table)
    run("--out", str(tmp_path / "r.json"))
    assert len(json.loads((tmp_path / "r.json").read_text())["readings"]) == 2
    assert "written as .csv or .json" in str(run("--out", str(tmp_path / "r.xlsx")).exception)


def test_of_another_run_there_are_none(run):
    assert "r9" in str(run("--run", "r9").exception)
