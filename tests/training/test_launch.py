"""Training in the background: a real architecture in a process of its own, killed and resumed."""

from __future__ import annotations

import os
import signal
import time

import pandas as pd
import pytest

from pipeline.errors import HilumError
from pipeline.jobs import Job, JobStore
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.launch import launch_training, resume_in_background, submit_training
from pipeline.training.plan import make_plan
from pipeline.training.train import begin_run
from pipeline.workspace import Workspace, atomic_write_json, read_json

CONFIG = TrainConfig(dataset="discs", image_size=32, batch_size=16, epochs=2, architecture="EfficientNetV2B0")


def wait_for(job_id: str, store: JobStore, *, first_word: bool = False, seconds: float = 300) -> Job:
    """Wait until the job has ended, or has said a first word."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = store.get(job_id)
        if not job.active or (first_word and job.message):
            return job
        time.sleep(0.1)
    pytest.fail(f"{job.status}: {job.message}\n{job.log_path.read_text()}")


@pytest.fixture
def held(prepared: Workspace, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    """A job list that starts nothing."""
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    return JobStore(prepared)


def test_a_run_on_synthetic_slices_says_so(discs):
    store, plan = RunStore(discs), make_plan(discs, CONFIG)
    assert not begin_run(store, plan, queued=True).synthetic
    manifest = discs.dataset_dir("discs") / "dataset.json"
    atomic_write_json(manifest, read_json(manifest) | {"synthetic": True})
    assert begin_run(store, plan, queued=True).synthetic


def test_a_page_writes_the_configuration_and_queues(held, prepared):
    job = launch_training(prepared, CONFIG)
    verb, option, path = job.argv
    assert (job.kind, job.status, verb, option) == ("train", "queued", "train", "--config")
    assert TrainConfig.model_validate(read_json(prepared.root / path)) == CONFIG


def test_a_request_that_cannot_be_met_is_told_at_once(held, prepared):
    before = len(held.list())
    for wrong in (
        {"dataset": "nowhere"},
        {"split": "nowhere"},
        {"recipe": "nowhere"},
        {"weights": "run:none"},
    ):
        with pytest.raises(HilumError):
            launch_training(prepared, CONFIG.model_copy(update=wrong))
    assert len(held.list()) == before


def test_a_detached_training_has_its_id_while_it_waits(held, prepared):
    run_id = submit_training(prepared, CONFIG.model_copy(update={"name": "waiting"}))
    run = RunStore(prepared).find("waiting")
    assert (run.id, run.status) == (run_id, "queued")
    assert [job.argv for job in held.list() if job.run_id == run_id] == [["resume", run_id]]
    assert run.load_config()["epochs"] == 2


def test_resuming_takes_the_old_place_in_the_list(held, prepared):
    run_id = submit_training(prepared, CONFIG.model_copy(update={"name": "again"}))
    job = next(job for job in held.list() if job.run_id == run_id)
    held.stop(job.id)
    assert RunStore(prepared).find("again").status == "stopped"
    again = resume_in_background(prepared, RunStore(prepared).find("again"))
    assert (again.id, again.status) == (job.id, "queued")


def test_a_finished_run_is_not_queued_again(held, prepared):
    store = RunStore(prepared)
    run_id = submit_training(prepared, CONFIG.model_copy(update={"name": "done"}))
    job = next(job for job in held.list() if job.run_id == run_id)
    held._end(job.id, "finished", "")
    store.finish(run_id)
    with pytest.raises(HilumError, match="is finished.*extend"):
        resume_in_background(prepared, store.find("done"))
    assert held.get(job.id).status == "finished"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
def test_a_killed_training_shows_as_lost_and_ends_well_when_resumed(discs):
    jobs, runs = JobStore(discs), RunStore(discs)
    run_id = submit_training(discs, CONFIG)
    job = next(job for job in jobs.list("train"))
    job = wait_for(job.id, jobs, first_word=True)
    assert runs.find(run_id).status == "running"
    assert job.pid is not None
    os.killpg(job.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert jobs.get(job.id).status == "lost"
    assert runs.find(run_id).status == "lost"
    resume_in_background(discs, runs.find(run_id))
    ended = wait_for(job.id, jobs)
    assert ended.status == "finished", ended.log_path.read_text()
    run = runs.find(run_id)
    assert run.status == "finished"
    assert runs.history(run_id)["step"].tolist() == [1, 2]
    assert len(runs.history(run_id, by="batch")) >= 1
    assert (run.artifacts / "engine" / "engine.json").is_file()
    assert len(pd.read_parquet(run.artifacts / "predictions" / "test.parquet"))
