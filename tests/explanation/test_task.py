import threading
import time

import pytest

from pipeline.explanation.task import BackgroundTask, TaskCancelledError


def test_work_is_done_elsewhere_and_says_how_far_it_is():
    go, threads = threading.Event(), []

    def work(progress):
        threads.append(threading.current_thread())
        progress(1, 4, "a quarter")
        go.wait(5)
        return 42

    task = BackgroundTask(work)
    for _ in range(500):
        if task.share:
            break
        time.sleep(0.002)
    assert (task.share, task.message, task.done) == (0.25, "a quarter", False)
    go.set()
    assert task.result(5) == 42 and task.done
    assert threads[0] is not threading.main_thread()


def test_an_error_is_raised_where_the_result_is_asked_for():
    def work(progress):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        BackgroundTask(work).result(5)


def test_given_up_work_stops_at_its_next_report():
    reached, ended = threading.Event(), threading.Event()

    def work(progress):
        try:
            while True:
                progress(0, 1)
                reached.set()
                time.sleep(0.001)
        finally:
            ended.set()

    task = BackgroundTask(work)
    assert reached.wait(5)
    task.cancel()
    assert task.done and ended.wait(5)
    with pytest.raises(TaskCancelledError):
        task.result()
