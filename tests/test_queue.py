"""The queue: its order, how many at once, what a restart, a set clock and two users do to it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline import job_table, processes
from pipeline.jobs import JobPaused, JobStore, QueueError
from pipeline.processes import machine_restarted_since, own_key, process_key, process_lives


@pytest.fixture
def started(monkeypatch):
    """The ids of jobs as they would be started; none is."""
    ids = []
    monkeypatch.setattr(JobStore, "_spawn", lambda self, job: ids.append(job.id))
    return ids


@pytest.fixture
def store(workspace, started):
    return JobStore(workspace)


def forget_process(store, job_id, key):
    """Let a job's row name a process that is not there."""
    with store._connect() as connection:
        connection.execute("UPDATE jobs SET pid = 4194304, process_key = ? WHERE id = ?", (key, job_id))


def test_what_waits_starts_in_the_order_that_the_user_made(store, started):
    first, *others = [store.submit("train", [], title) for title in "abcd"]
    names = {job.id: job.title for job in store.list()}

    def waiting():
        return "".join(names[job.id] for job in store.queue())

    assert waiting() == "bcd"
    store.move(others[2].id, "up")
    assert waiting() == "bdc"
    store.move(others[2].id, "first")
    store.move(others[2].id, "up")  # it is the first already
    assert waiting() == "dbc"
    store.move(others[0].id, "last")
    assert waiting() == "dcb"
    store.fail(first.id, "ended")
    store.pump()
    assert [names[job_id] for job_id in started] == ["a", "d"]
    with pytest.raises(QueueError, match="does not wait .it is running"):
        store.move(others[2].id, "up")


def test_as_many_at_once_as_the_workspace_says(store, started, workspace):
    for _ in range(4):
        store.submit("train", [])
    assert (store.at_once, len(started)) == (1, 1)
    store.set_at_once(3)
    assert len(started) == 3
    assert JobStore(workspace).at_once == 3
    with pytest.raises(QueueError, match="At least one"):
        store.set_at_once(0)


def test_the_queue_outlives_the_process_that_made_it(workspace):
    """A child queues two jobs, starts neither and dies; the next process finds and starts them."""
    code = (
        "import os, sys; from pipeline.jobs import JobStore; from pipeline.workspace import Workspace; "
        "store = JobStore(Workspace.open(sys.argv[1])); store.pump = lambda: None; "
        "[store.submit('train', ['x'], name) for name in 'ab']; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(workspace.root)], check=False)
    with pytest.MonkeyPatch.context() as patch:
        begun = []
        patch.setattr(JobStore, "_spawn", lambda self, job: begun.append(job.title))
        store = JobStore(workspace)
        assert [job.title for job in store.queue()] == ["a", "b"]
        store.pump()
        assert begun == ["a"]


@pytest.mark.parametrize("run_id", [None, "abc"])
def test_what_a_restart_of_the_machine_ended_goes_on_by_itself(store, started, run_id):
    job = store.submit("train", ["train", "--config", "x.json"], run_id=run_id)
    store.submit("train", [])
    forget_process(store, job.id, "another-boot/1:77")
    store.pump()
    assert started == [job.id, job.id], "it goes on before what waited behind it"
    assert store.get(job.id).argv == (["resume", "abc"] if run_id else ["train", "--config", "x.json"])


def test_a_job_that_brings_the_machine_down_is_not_started_for_ever(store, started):
    job = store.submit("train", [])
    for _ in range(job_table.MOST_RESTARTS + 1):
        forget_process(store, job.id, "another-boot/1:77")
        store.pump()
    assert store.get(job.id).status == "lost"
    assert len(started) == 1 + job_table.MOST_RESTARTS
    assert store.resume(job.id).status == "running"  # by hand it may


def test_a_job_whose_process_was_killed_waits_for_the_user(store, started):
    job = store.submit("train", [])
    forget_process(store, job.id, own_key() + "0")
    store.pump()
    assert store.get(job.id).status == "lost"


def test_a_set_clock_neither_loses_a_running_job_nor_shuffles_the_list(store, monkeypatch):
    first = store.submit("train", [])
    real = time.time
    for hours in (-10_000, 10_000):
        monkeypatch.setattr(time, "time", lambda hours=hours: real() + 3600 * hours)
        monkeypatch.setattr("psutil.Process.create_time", lambda self: 1.0)
        assert store.get(first.id).status == "running"
        newest = store.submit("train", [])
        assert store.list()[0].id == newest.id
    assert [job.place for job in store.queue()] == sorted(job.place for job in store.queue())


@pytest.mark.skipif(processes.boot_key() is None, reason="this system tells no start of the machine")
def test_a_process_is_known_by_more_than_its_number():
    assert process_lives(os.getpid(), own_key())
    assert not process_lives(os.getpid(), own_key() + "0")
    assert not process_lives(None, own_key())
    assert process_key(4194304) is None
    assert not machine_restarted_since(own_key())
    assert machine_restarted_since("another-boot/1:77")


def test_two_who_press_stop_and_resume_queue_it_once(store, workspace):
    store.submit("train", [])
    waiting = store.submit("train", [])
    other = JobStore(workspace)
    store.stop(waiting.id)
    other.stop(waiting.id)
    assert other.get(waiting.id).status == "stopped"
    assert store.resume(waiting.id).status == other.resume(waiting.id).status == "queued"
    assert len(store.queue()) == 1


def test_stop_after_the_epoch_takes_no_stop_now_back(store):
    job = store.submit("train", [])
    store.stop(job.id, after_epoch=True)
    found = store.get(job.id)
    assert (found.stop_asked, found.stop_after_epoch) == (False, True)
    store.stop(job.id)
    store.stop(job.id, after_epoch=True)
    found = store.get(job.id)
    assert (found.stop_asked, found.stop_after_epoch) == (True, False)


def test_a_job_without_epochs_stops_at_once(store):
    job = store.submit("audit", [])
    store.stop(job.id, after_epoch=True)
    assert store.get(job.id).stop_asked


def test_a_pause_keeps_its_sentence_and_is_resumed(store):
    with pytest.raises(JobPaused), store.reporting("train", ["train"]):
        raise JobPaused("The disk is full.")
    (job,) = store.list()
    assert (job.status, job.message) == ("paused", "The disk is full.")
    assert store.resume(job.id).status == "running"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_kill_from_outside_is_explained(workspace):
    store = JobStore(workspace)
    code = "import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code])
    job_id = store._insert("train", [], "", status="running")
    with store._connect() as connection:
        connection.execute(
            "UPDATE jobs SET pid = ?, process_key = ? WHERE id = ?",
            (process.pid, process_key(process.pid), job_id),
        )
    os.kill(process.pid, signal.SIGKILL)
    store._wait(job_id, process)
    job = store.get(job_id)
    assert job.status == "lost"
    assert "memory" in job.message and "smaller batch" in job.message


def test_a_job_list_of_an_earlier_version_is_taken_over(workspace):
    with contextlib.closing(sqlite3.connect(workspace.jobs_db)) as connection:
        connection.execute(job_table._SCHEMA[0])
        for name in "ab":
            connection.execute(
                "INSERT INTO jobs (id, kind, title, argv, status, created, pid, process_started) "
                "VALUES (?, 'train', ?, '[]', 'running', 1.0, 4194304, 12.5)",
                (name, name),
            )
        connection.commit()
    store = JobStore(workspace)
    assert [(job.id, job.place, job.status) for job in store.list()] == [("b", 2, "lost"), ("a", 1, "lost")]
