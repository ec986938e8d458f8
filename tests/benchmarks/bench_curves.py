"""Curves of ten runs laid over each other: seconds to read and draw them, beside reading them whole.

The points are written straight into the store, as a training's own tables hold them. Ours is what the Train
page does: ten curves by batch, reduced by the store, and a figure as the browser gets it. The peer reads the
same points with MLflow's client and draws the same figure with all of them; a million take it minutes, so
that there one of the ten runs is read and counted tenfold, and the row says so.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard.charts import style_figure
from dashboard.charts.train import RunCurves, metric_figure
from pipeline.curves import Curve, CurveReader, curve_of
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

POINTS = (1_000, 100_000, 1_000_000)
RUNS = 10
STEPS_PER_EPOCH = 500
READ_WHOLE = 200_000  # points; of more the peer reads one run
NEW_POINTS = 10  # of each run between two looks at a running training
METRIC = "batch.loss"


def run(points: tuple[int, ...] = POINTS) -> list[dict[str, Any]]:
    """Return seconds for each number of logged points, over all runs."""
    rows: list[dict[str, Any]] = []
    style_figure(metric_figure([_empty()], metric="loss", title="Loss")).to_json()  # the first loads Plotly
    for count in points:
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore(Workspace.open(Path(folder) / "workspace"))
            runs = [_written(store, number, count // RUNS) for number in range(RUNS)]
            rows += _measured(store, runs, count)
    return rows


def _measured(store: RunStore, runs: list[str], count: int) -> list[dict[str, Any]]:
    reader = CurveReader(store)

    def read(run_id: str) -> Curve:
        return reader.read(run_id, "loss")

    first, drawn = _timed(lambda: _draw(store, read, runs))
    logged, shown = drawn
    if logged != count:
        raise RuntimeError(f"{count} points were written and {logged} were read.")
    for run_id in runs:
        _write(store, run_id, np.ones(NEW_POINTS), count // RUNS + 1)
    again, _ = _timed(lambda: _draw(store, read, runs))
    whole, scaled = _peer(store, runs, count)
    name = f"10 runs, {count:,} points ({shown:,} drawn)"
    peer = f"MLflow's client, all drawn: {whole:.3g} s{scaled}"
    return [
        _row(f"{name}, read and drawn", first, peer, whole),
        _row(f"the same with {NEW_POINTS * RUNS} new points", again, peer, whole),
    ]


def _empty() -> RunCurves:
    curve = curve_of([1], [1.0])
    return RunCurves(
        "empty", pd.DataFrame({"step": [1], "loss": [1.0]}), {"loss": curve}, 1, 1, ended_early=False
    )


def _draw(store: RunStore, read: Callable[[str], Curve], runs: list[str]) -> tuple[int, int]:
    """Do what the page does; return how many points were logged and how many are drawn."""
    curves = [read(run_id) for run_id in runs]
    drawn = [
        RunCurves(
            run_id, store.history(run_id), {"loss": curve}, STEPS_PER_EPOCH, best_epoch=1, ended_early=False
        )
        for curve, run_id in zip(curves, runs, strict=True)
    ]
    style_figure(metric_figure(drawn, metric="loss", title="Loss", smoothing=0.6)).to_json()
    return sum(curve.logged for curve in curves), sum(len(curve) for curve in curves)


def _peer(store: RunStore, runs: list[str], count: int) -> tuple[float, str]:
    """Return the seconds with every point read and drawn, and what to say where they were scaled up."""
    client = store._client()
    chosen = runs if count <= READ_WHOLE else runs[:1]

    def read(run_id: str) -> Curve:
        history = client.get_metric_history(run_id, METRIC)
        return curve_of([point.step for point in history], [point.value for point in history])

    seconds, _ = _timed(lambda: _draw(store, read, chosen))
    return seconds * RUNS / len(chosen), "" if len(chosen) == RUNS else " (1 run x 10)"


def _written(store: RunStore, number: int, points: int) -> str:
    run = store.create(f"run-{number}", {"steps_per_epoch": STEPS_PER_EPOCH}, {})
    rng = np.random.default_rng(number)
    _write(store, run.id, np.exp(-np.arange(points) / points * 3) + rng.gamma(2, 0.05, points), 1)
    epochs = max(1, points // STEPS_PER_EPOCH)
    store.log_steps(
        run.id, [(epoch, {"loss": 1 / epoch, "val_loss": 1.1 / epoch}) for epoch in range(1, epochs + 1)]
    )
    return run.id


def _write(store: RunStore, run_id: str, losses: np.ndarray, first: int) -> None:
    """Write losses by batch with the pace and accuracy that a training logs beside them."""
    query = "INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan) VALUES (?, ?, ?, ?, ?, 0)"
    with closing(sqlite3.connect(store.database)) as connection, connection:
        connection.executemany(query, _rows(run_id, losses, first))


def _rows(run_id: str, losses: np.ndarray, first: int) -> Iterator[tuple[str, float, int, int, str]]:
    for step, loss in enumerate(losses.tolist(), first):
        for key, value in ((METRIC, loss), ("batch.accuracy", 1 - loss), ("batch.images_per_second", 40.0)):
            yield key, value, 200 * step, step, run_id


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def _row(figure: str, value: float, peer: str, beside: float) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": "s", "peer": peer, "ratio": beside / value}
