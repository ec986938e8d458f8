"""What a training writes while it goes: metrics to MLflow, the history as a table, a log to read."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.runs import BATCH_PREFIX, RunInfo, RunStore
from pipeline.training.errors import TrainingError
from pipeline.workspace import atomic_write_parquet

POINT_SECONDS = 0.2  # one point of the batch curve stands for at least this long
FLUSH_SECONDS = 2.0  # a transaction of MLflow's costs 7 ms
_LOG = logging.getLogger("hilum.training")


class StoreFullError(TrainingError):
    """The metrics could not be written."""


class Journal:
    """The written side of one run."""

    def __init__(self, store: RunStore, run: RunInfo) -> None:
        self.store = store
        self.run = run
        self.epochs: list[dict[str, float]] = []
        self._points: list[tuple[int, dict[str, float]]] = []
        self._sums: dict[str, float] = {}
        self._batches = 0
        self._point_time = self._flush_time = time.monotonic()

    def say(self, sentence: str) -> None:
        """Add a line to the run's log (and to the job's)."""
        _LOG.info("%s", sentence)
        with (self.run.artifacts / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {sentence}\n")

    def batch(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of one batch; neighbours are averaged into a point of the curve."""
        for key, value in values.items():
            self._sums[key] = self._sums.get(key, 0.0) + value
        self._batches += 1
        now = time.monotonic()
        if now - self._point_time >= POINT_SECONDS:
            point = {f"{BATCH_PREFIX}{key}": total / self._batches for key, total in self._sums.items()}
            self._points.append((step, point))
            self._sums, self._batches, self._point_time = {}, 0, now
        if now - self._flush_time >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the points that wait."""
        if self._points:
            self._write(self._points)
        self._points, self._flush_time = [], time.monotonic()

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the metrics of epoch `epoch` (counted from 1) to MLflow and to history.parquet."""
        self.flush()
        self.epochs = [row for row in self.epochs if row["epoch"] < epoch]
        self.epochs.append({"epoch": epoch, **values})
        atomic_write_parquet(self.run.artifacts / "history.parquet", pd.DataFrame(self.epochs))
        self._write([(epoch, {"epoch": epoch, **values})])

    def best(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write how the best epoch so far stands, as `best_<metric>`, for tables of runs."""
        self._write([(epoch, {f"best_{key}": value for key, value in values.items()})])

    def restore(self, epoch: int) -> None:
        """Go on after `epoch` epochs of an earlier process."""
        path = self.run.artifacts / "history.parquet"
        rows: list[dict[Any, Any]] = pd.read_parquet(path).to_dict(orient="records") if path.is_file() else []
        self.epochs = [row for row in rows if row["epoch"] <= epoch]

    def _write(self, rows: list[tuple[int, dict[str, float]]]) -> None:
        try:
            self.store.log_steps(self.run.id, rows)
        except Exception as error:
            if "disk is full" in str(error) or "No space left" in str(error):
                raise StoreFullError(
                    f"The disk is full: the metrics of {self.run.name} could not be written. Make room and "
                    "resume the run; it goes on from its last whole epoch."
                ) from error
            raise
