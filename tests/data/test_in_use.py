"""A data set that jobs need is not removed under them."""

import os

import pytest

from pipeline.data.datasets import describe_removal, list_datasets, remove_dataset
from pipeline.data.in_use import DatasetInUseError, jobs_on
from pipeline.data.index import build_index
from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.workspace import atomic_write_json


@pytest.fixture
def indexed(workspace, folder):
    build_index(workspace, folder, name="set")
    return workspace


def add_job(workspace, kind, argv, *, status="running", title="", run_id=None):
    return JobStore(workspace)._insert(kind, argv, title, status=status, run_id=run_id)


@pytest.mark.parametrize(
    ("kind", "argv"),
    [
        ("train", ["--workspace", "set", "train", "--dataset", "set"]),
        ("train", ["train", "--dataset=set"]),
        ("evaluate", ["evaluate", "some-run", "--dataset", "set"]),
        ("audit", ["audit", "set"]),
        ("index", ["index", "/folder", "--name", "set"]),
    ],
)
def test_a_job_that_names_the_data_set_keeps_it(indexed, kind, argv):
    job_id = add_job(indexed, kind, argv, title="Some work")
    for remove in (describe_removal, remove_dataset):
        with pytest.raises(DatasetInUseError, match=f"Some work \\(running; .*queue cancel {job_id}"):
            remove(indexed, "set")
    assert [info.name for info in list_datasets(indexed)] == ["set"]
    JobStore(indexed)._end(job_id, "stopped", "")
    remove_dataset(indexed, "set")
    assert list_datasets(indexed) == []


def test_a_job_knows_its_data_set_by_configuration_sweep_or_run(indexed, tmp_path):
    atomic_write_json(tmp_path / "config.json", {"dataset": "set"})
    atomic_write_json(indexed.root / "sweeps" / "one.json", {"base": {"dataset": "set"}})
    run = RunStore(indexed).create("model", {"dataset": "set"}, {})
    jobs = [
        add_job(indexed, "train", ["train", "--config", str(tmp_path / "config.json")]),
        add_job(indexed, "sweep", ["sweep", "run", "one"]),
        add_job(indexed, "train", ["resume", run.id], run_id=run.id),
    ]
    assert {job.id for job in jobs_on(indexed, "set")} == set(jobs)


@pytest.mark.parametrize(
    ("kind", "argv"),
    [
        ("train", ["train", "--dataset", "other", "--name", "set"]),
        ("evaluate", ["evaluate", "set"]),
        ("train", ["train", "--config", os.devnull]),
    ],
)
def test_a_job_on_another_data_set_keeps_nothing(indexed, kind, argv):
    add_job(indexed, kind, argv)
    remove_dataset(indexed, "set")
    assert list_datasets(indexed) == []


def test_a_paused_training_is_named_before_the_removal(indexed):
    job_id = add_job(indexed, "train", ["train", "--dataset", "set"], title="Train it")
    JobStore(indexed)._end(job_id, "paused", "")
    assert "not to be resumed before it is indexed again: Train it." in describe_removal(indexed, "set")
    remove_dataset(indexed, "set")
