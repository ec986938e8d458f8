"""Jobs: their states, their queue, and what a kill leaves."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.errors import HilumError
from pipeline.jobs import JobNotFoundError, JobStopped, JobStore

# A job that reports until it is stopped.
ENDLESS = """
import sys, time
from pipeline.jobs import JobStopped, JobStore
from pipeline.workspace import Workspace
store = JobStore(Workspace(__import__("pathlib").Path(sys.argv[1])))
try:
    with store.reporting("index", ["x"]) as progress:
        for step in range(1200):
            progress(step, 1200, "working")
            time.sleep(0.05)
except JobStopped:
    sys.exit(130)
"""


@pytest.fixture
def store(workspace):
    return JobStore(workspace)


def wait_for(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_job_in_this_process_reports_and_finishes(store):
    with store.reporting("index", ["index", "x"], "Index x") as progress:
        progress(5, 10, "half")
        (job,) = store.list()
        assert (job.status, job.done, job.total, job.message, job.fraction) == ("running", 5, 10, "half", 0.5)
    assert store.get(progress.job_id).status == "finished"


def test_what_begins_is_told_at_once_however_soon_after_the_last_report(store):
    with store.reporting("index", ["x"]) as progress:
        for done, message in ((9, "files"), (10, "files"), (0, "Looking for copies"), (1, "copies")):
            progress(done, 10, message)
        assert store.get(progress.job_id).message == "Looking for copies"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (HilumError("No such folder."), "failed", "No such folder."),
        (ZeroDivisionError(), "failed", "unexpected fault"),
        (JobStopped("stop"), "stopped", "Stopped on request"),
    ],
)
def test_how_a_job_ends_is_kept(store, error, status, message):
    with pytest.raises(type(error)), store.reporting("index", []):
        raise error
    (job,) = store.list()
    assert job.status == status
    assert message in job.message


def test_stop_reaches_a_running_process(store, workspace):
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(workspace.root)])
    wait_for(lambda: any(job.status == "running" and job.message for job in store.list()))
    store.stop(store.list()[0].id)
    store.stop(store.list()[0].id)  # a second press does no harm
    assert process.wait(timeout=15) == 130
    assert store.list()[0].status == "stopped"


def test_a_killed_job_is_lost_and_not_running(store, workspace):
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(workspace.root)])
    wait_for(lambda: any(job.status == "running" and job.message for job in store.list()))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=15)
    (job,) = store.list()
    assert job.status == "lost"
    assert "resumed" in job.message


def test_a_process_number_given_to_another_process_is_not_the_job(store):
    job_id = store._insert("index", [], "", status="running")
    with store._connect() as connection:
        connection.execute("UPDATE jobs SET process_key = process_key || '0' WHERE id = ?", (job_id,))
    assert store.get(job_id).status == "lost"


def test_a_submitted_verb_runs_in_a_process_of_its_own_and_says_why_it_failed(store, tmp_path):
    job = store.submit("index", ["index", str(tmp_path / "nowhere"), "--name", "x"])
    wait_for(lambda: not store.get(job.id).active, seconds=60)
    ended = store.get(job.id)
    assert ended.status == "failed"
    assert "nowhere" in ended.message


def test_heavy_jobs_wait_for_their_turn(store, monkeypatch):
    started = []
    monkeypatch.setattr(store, "_spawn", lambda job: started.append(job.id))
    first, second = store.submit("train", []), store.submit("train", [])
    light = store.submit("index", [])
    assert started == [first.id, light.id]
    store.fail(first.id, "ended")
    store.pump()
    assert started == [first.id, light.id, second.id]


def test_a_queued_job_stops_at_once_and_can_be_queued_again(store, monkeypatch):
    monkeypatch.setattr(store, "_spawn", lambda job: None)
    store.submit("train", [])
    waiting = store.submit("train", [])
    store.stop(waiting.id)
    assert store.get(waiting.id).status == "stopped"
    assert store.resume(waiting.id).status == "queued"


def test_an_unknown_job_is_named(store):
    with pytest.raises(JobNotFoundError, match="nothing-like-it"):
        store.get("nothing-like-it")
