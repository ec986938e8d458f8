"""Runs: written through MLflow, read by SQL; the two must agree."""

import contextlib
import logging
import math
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline.differences import what_differs
from pipeline.run_info import ARCHIVED_TAG, NOTE_TAG, PAUSED_TAG, STAR_TAG
from pipeline.runs import NameTakenError, RunFileMissingError, RunNotFoundError, RunStore
from pipeline.workspace import InvalidNameError, Workspace, atomic_write_json


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for the module: making MLflow's tables takes a second."""
    return RunStore(Workspace.open(tmp_path_factory.mktemp("runs") / "workspace"))


def test_an_empty_workspace_has_no_runs(workspace):
    assert RunStore(workspace).list() == []
    with pytest.raises(RunNotFoundError, match="none yet"):
        RunStore(workspace).find("anything")


def test_a_store_that_is_just_being_made_has_no_runs(workspace):
    """MLflow makes its tables one by one; whoever looks meanwhile sees some of them."""
    workspace.runs.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(workspace.runs / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")
        connection.execute("CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER)")
        connection.commit()
    assert RunStore(workspace).list() == []


def test_a_run_reads_back_as_it_was_written(store):
    run = store.create("first", {"dataset": "demo", "epochs": 3}, {"note": "a tag"})
    store.log_metrics(run.id, {"val_auc": 0.5, "batch.loss": 1.0}, step=1)
    store.log_metrics(run.id, {"val_auc": 0.75}, step=2)
    found = store.find("first")
    assert (found.id, found.status, found.artifacts.is_dir()) == (run.id, "running", True)
    assert found.params == {"dataset": "demo", "epochs": "3"}
    assert found.metrics == {"val_auc": 0.75}
    assert found.tags["note"] == "a tag"
    store.finish(run.id)
    assert store.find(run.id[:6]).status == "finished"


def test_the_sql_reader_agrees_with_mlflow(store):
    """An update of MLflow that moves its tables must fail here, not on a page."""
    run = store.create("agree", {"a": 1}, {"b": "c"})
    store.log_steps(run.id, [(1, {"loss": 2.0}), (2, {"loss": 1.0})])
    theirs = store._client().get_run(run.id)
    ours = store.find(run.id)
    assert ours.params == theirs.data.params
    assert ours.tags == theirs.data.tags
    assert ours.metrics == theirs.data.metrics
    assert int(ours.created.timestamp() * 1000) == theirs.info.start_time
    assert str(ours.artifacts) in theirs.info.artifact_uri


def test_history_keeps_epochs_and_batches_apart(store):
    run = store.create("history", {}, {})
    store.log_steps(run.id, [(step, {"batch.loss": 1 / step}) for step in range(1, 1201)])
    store.log_steps(run.id, [(1, {"loss": 0.5, "val_loss": float("nan")}), (2, {"loss": 0.25})])
    epochs = store.history(run.id)
    assert list(epochs.columns) == ["step", "loss", "val_loss"]
    assert epochs["loss"].tolist() == [0.5, 0.25]
    assert math.isnan(epochs["val_loss"][0])
    batches = store.history(run.id, by="batch")
    assert (len(batches), batches["loss"].iloc[-1]) == (1200, 1 / 1200)


def test_history_of_a_run_without_metrics_is_empty(store):
    run = store.create("silent", {}, {})
    assert store.history(run.id).empty


def test_two_runs_of_one_name_are_told_apart_by_id(store):
    for _ in range(2):
        store.create("twin", {}, {})
    with pytest.raises(RunNotFoundError, match="say which by its id"):
        store.find("twin")


def test_demo_is_the_newest_demo_model(store):
    store.create("demo", {}, {"demo": "true"})
    time.sleep(0.01)
    newest = store.create("demo", {}, {"demo": "true"})
    assert store.find("demo").id == newest.id


def test_a_run_whose_process_is_gone_is_lost(store):
    """The child makes a run and dies without a word."""
    code = (
        "import os, sys; from pipeline.runs import RunStore; from pipeline.workspace import Workspace; "
        "run = RunStore(Workspace.open(sys.argv[1])).create('orphan', {}, {}); print(run.status); "
        "sys.stdout.flush(); os._exit(9)"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(store.workspace.root)], capture_output=True, text=True
    )
    assert made.stdout.split()[-1] == "running"
    assert store.find("orphan").status == "lost"
    assert store.reopen(store.find("orphan").id).status == "running"


def test_files_of_a_run(store):
    run = store.create("files", {}, {})
    with pytest.raises(RunFileMissingError, match="has no classes.json.*resume"):
        run.class_names  # noqa: B018
    atomic_write_json(run.artifacts / "classes.json", ["negative", "positive"])
    assert run.class_names == ["negative", "positive"]


def test_an_inherited_tracking_uri_is_named_and_not_obeyed(workspace, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.example")
    with caplog.at_level(logging.WARNING):
        store = RunStore(workspace)
        run = store.create("here", {}, {})
    assert "http://elsewhere.example is not used" in caplog.text
    assert [found.id for found in RunStore(workspace).list()] == [run.id]
    assert (workspace.runs / "mlflow.db").is_file()


def test_hilum_tracking_uri_moves_the_store(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("HILUM_TRACKING_URI", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    monkeypatch.chdir(tmp_path)  # a server without an artifact store of its own writes below ./
    store = RunStore(workspace)
    run = store.create("far", {"a": 1}, {})
    store.log_metrics(run.id, {"loss": 0.5}, step=1)
    atomic_write_json(run.artifacts / "config.json", {"epochs": 1})
    store.finish(run.id)
    found = store.find("far")
    assert (found.status, found.metrics, found.params) == ("finished", {"loss": 0.5}, {"a": "1"})
    assert store.history(run.id)["loss"].tolist() == [0.5]
    assert not (workspace.runs / "mlflow.db").exists()


def test_reading_runs_loads_no_mlflow(store):
    code = (
        "import sys; from pipeline.runs import RunStore; from pipeline.workspace import Workspace; "
        "assert RunStore(Workspace.open(sys.argv[1])).list(); print('mlflow' in sys.modules)"
    )
    read = subprocess.run(
        [sys.executable, "-c", code, str(store.workspace.root)], capture_output=True, text=True
    )
    assert read.stdout.split() == ["False"]


def test_name_note_star_and_archive_are_what_mlflow_shows(store):
    run = store.create("plain", {}, {})
    store.rename(run.id, "chosen")
    store.label(run.id, NOTE_TAG, "the one with fewer heads")
    store.label(run.id, STAR_TAG, "true")
    store.label(run.id, ARCHIVED_TAG, "true")
    found = store.find("chosen")
    assert (found.id, found.note, found.starred, found.archived) == (
        run.id, "the one with fewer heads", True, True,
    )  # fmt: skip
    theirs = store._client().get_run(run.id)
    assert theirs.info.run_name == "chosen"
    assert theirs.data.tags["mlflow.note.content"] == "the one with fewer heads"
    store.label(run.id, ARCHIVED_TAG, "")
    assert not store.find("chosen").archived


def test_a_name_finds_one_run(store):
    store.create("taken", {}, {})
    other = store.create("other", {}, {})
    with pytest.raises(NameTakenError, match="Choose another"):
        store.rename(other.id, "taken")
    with pytest.raises(InvalidNameError):
        store.rename(other.id, "a/b")
    store.rename(other.id, "other")


def test_a_paused_run_keeps_its_reason_until_it_goes_on(store):
    run = store.create("pause", {}, {})
    store.finish(run.id, "paused", reason="The disk is full.")
    assert (store.find("pause").status, store.find("pause").tags[PAUSED_TAG]) == (
        "paused",
        "The disk is full.",
    )
    assert store.reopen(run.id).status == "running"
    store.finish(run.id, "stopped")
    assert store.find("pause").status == "stopped"


def test_what_a_resumed_training_writes_again_is_forgotten(store):
    run = store.create("again", {}, {})
    store.log_steps(run.id, [(step, {"batch.loss": 1.0 * step}) for step in range(1, 11)])
    store.log_steps(run.id, [(step, {"val_auc": 0.1 * step}) for step in range(1, 4)])
    store.forget_after(run.id, epoch=2, batch=7)
    assert store.history(run.id)["step"].tolist() == [1, 2]
    assert store.history(run.id, by="batch")["step"].tolist() == list(range(1, 8))
    assert store.find("again").metrics == {"val_auc": 0.2}
    assert store._client().get_run(run.id).data.metrics == {"val_auc": 0.2, "batch.loss": 7.0}


def test_a_comparison_shows_only_what_differs(store):
    common = {"dataset": "d", "recipe": "hilum", "steps_per_epoch": 3}
    one = store.create("one-a", common | {"seed": 0, "split": "a", "split_hash": "x"}, {})
    other = store.create("one-b", common | {"seed": 1, "split": "a", "split_hash": "y", "ema": 0.9}, {})
    differs = what_differs([one, other])
    assert differs == {"ema": [None, "0.9"], "seed": ["0", "1"], "split_hash": ["x", "y"]}
    assert what_differs([one, one]) == {}
