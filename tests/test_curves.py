"""Curves that a screen can draw: reduced without losing an extreme, and kept up to date."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.curves import Curve, CurveReader, curve_of, widened
from pipeline.run_info import forget_local_metrics, open_local
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

MOST = 50


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return RunStore(Workspace.open(tmp_path_factory.mktemp("curves") / "workspace"))


def made(store, values, first=1):
    """A run with these losses by batch, and as many accuracies that must not get in between."""
    run = store.create("curve", {}, {})
    write(store, run.id, values, first)
    return run.id


def write(store, run_id, values, first, *, time=1):
    rows = [
        (f"batch.{key}", float(value), time, step, run_id, 0)
        for step, value in enumerate(values, first)
        for key in ("loss", "accuracy")
    ]
    query = "INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    with open_local(store.database) as connection, connection:
        connection.executemany(query, rows)


def whole(values, first=1):
    return curve_of(np.arange(first, first + len(values)), values)


def same(left: Curve, right: Curve) -> None:
    for name in ("steps", "mean", "low", "high", "count"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), err_msg=name)
    assert left.width == right.width


def test_stretches_are_counted_from_step_nought():
    curve = widened(curve_of([1, 2, 3, 4, 5], [1.0, 9.0, 2.0, 0.0, 4.0]), 4)
    assert curve.steps.tolist() == [3, 5]
    assert curve.mean.tolist() == [4.0, 2.0]
    assert (curve.low.tolist(), curve.high.tolist()) == ([1.0, 0.0], [9.0, 4.0])
    assert (curve.logged, curve.is_reduced) == (5, True)


def test_widening_in_steps_gives_what_widening_at_once_gives():
    values = np.random.default_rng(0).normal(size=1000)
    same(widened(widened(whole(values), 4), 16), widened(whole(values), 16))


def test_values_that_are_no_number_are_left_out():
    curve = curve_of([1, 2, 3], [1.0, float("nan"), 3.0])
    assert (curve.steps.tolist(), curve.is_reduced) == ([1, 3], False)


@pytest.mark.parametrize("count", [1, MOST, MOST + 1, 3000, 9000])
def test_what_the_store_reduces_is_what_the_whole_history_reduces_to(store, count):
    values = np.random.default_rng(count).normal(size=count)
    curve = CurveReader(store, most=MOST).read(made(store, values), "loss")
    assert len(curve) <= MOST
    assert curve.logged == count
    same(curve, widened(whole(values), curve.width))


def test_no_spike_is_lost(store):
    values = np.ones(20_000)
    values[12_345] = 99
    curve = CurveReader(store, most=MOST).read(made(store, values), "loss")
    assert (curve.high.max(), curve.low.min(), curve.is_reduced) == (99, 1, True)


def test_a_run_without_the_metric_has_an_empty_curve(store):
    assert len(CurveReader(store).read(made(store, [1.0]), "other")) == 0


def test_a_growing_curve_is_the_one_that_is_read_at_once(store):
    values = np.random.default_rng(1).normal(size=12_000)
    reader, run_id, done = CurveReader(store, most=MOST), made(store, values[:10]), 10
    for upto in (10, 30, 51, 70, 700, 6000, 6001, 12_000):
        write(store, run_id, values[done:upto], done + 1)
        done = upto
        grown = reader.read(run_id, "loss")
        assert (grown.logged, len(grown) <= MOST) == (upto, True)
        same(grown, widened(whole(values[:upto]), grown.width))


def test_only_new_points_of_a_curve_are_read(store, monkeypatch):
    """What was read before is not looked at again: changed behind the reader's back, it stays as it was."""
    reader, run_id = CurveReader(store, most=MOST), made(store, np.ones(1000))
    reader.read(run_id, "loss")
    with open_local(store.database) as connection, connection:
        connection.execute("UPDATE metrics SET value = 5 WHERE run_uuid = ? AND step < 500", (run_id,))
    write(store, run_id, [2.0], 1001)
    curve = reader.read(run_id, "loss")
    assert (curve.low.min(), curve.high.max(), curve.logged) == (1, 2, 1001)


@pytest.mark.parametrize("again", [100, 400, 900])
def test_a_resumed_training_writes_its_last_points_anew(store, again):
    """Fewer, as many or more than it had written before: none of those that it forgot is left."""
    reader, run_id = CurveReader(store, most=MOST), made(store, np.zeros(1000))
    reader.read(run_id, "loss")
    forget_local_metrics(store.database, run_id, epoch=0, batch=600)
    write(store, run_id, np.ones(again), 601, time=2)
    curve = reader.read(run_id, "loss")
    assert curve.logged == 600 + again
    assert (curve.mean * curve.count).sum() == again
