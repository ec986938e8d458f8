"""What a training writes while it goes: metrics to MLflow, the history as a table, a log to read."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.runs import BATCH_PREFIX, RunInfo, RunStore
from pipeline.training.errors import TrainingError
from pipeline.training.tensorboard import TensorBoardLog
from pipeline.workspace import atomic_write_parquet

if TYPE_CHECKING:
    from pipeline.training.checkpoint import TrainingState

POINT_SECONDS = 0.2  # one point of the batch curve stands for at least this long
FLUSH_SECONDS = 2.0  # a transaction of MLflow's costs 7 ms
_LOG = logging.getLogger("hilum.training")


class StoreFullError(TrainingError):
    """The metrics could not be written."""


class Journal:
    """The written side of one run.

    Attributes:
        writes: whether this process keeps weights and checkpoints too: one of a group does.
    """

    writes = True

    def __init__(self, store: RunStore, run: RunInfo, log: TensorBoardLog | None = None) -> None:
        self.store = store
        self.run = run
        self._log = log
        self.epochs: list[dict[str, float]] = []
        self.features_seconds = 0.0  # in which this process computed those of a frozen backbone
        self._points: list[tuple[int, dict[str, float]]] = []  # that wait to be written
        self._history_waits = False
        self._sums: dict[str, float] = {}
        self._batches = 0
        self._point_time = self._flush_time = time.monotonic()

    def say(self, sentence: str) -> None:
        """Add a line to the run's log (and to the job's)."""
        _LOG.info("%s", sentence)
        with (self.run.artifacts / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {sentence}\n")

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Write parameters of the run."""
        self.store.log_params(self.run.id, values)

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
        """Write what waits. Before a checkpoint, so that all it stands on is on the disk."""
        if self._history_waits:
            atomic_write_parquet(self.run.artifacts / "history.parquet", pd.DataFrame(self.epochs))
            self._history_waits = False
        if self._points:
            self.steps(self._points)
        self._points, self._flush_time = [], time.monotonic()

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take the metrics of epoch `epoch` (counted from 1), for MLflow and history.parquet."""
        self.epochs = [row for row in self.epochs if row["epoch"] < epoch]
        self.epochs.append({"epoch": epoch, **values})
        self._history_waits = True
        self._points.append((epoch, {"epoch": epoch, **values}))
        if time.monotonic() - self._flush_time >= FLUSH_SECONDS:
            self.flush()

    def best(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take how the best epoch so far stands, as `best_<metric>`, for tables of runs."""
        self._points.append((epoch, {f"best_{key}": value for key, value in values.items()}))

    def restore(self, state: TrainingState) -> None:
        """Go on where an earlier process stood: what it wrote of later batches will be written again."""
        path = self.run.artifacts / "history.parquet"
        rows: list[dict[Any, Any]] = pd.read_parquet(path).to_dict(orient="records") if path.is_file() else []
        self.epochs = [row for row in rows if row["epoch"] <= state.epoch]
        batches = int(self.run.params.get("steps_per_epoch", 0))
        self.store.forget_after(self.run.id, epoch=state.epoch, batch=state.epoch * batches + state.step)

    @contextmanager
    def flushed(self) -> Iterator[None]:
        """Write what waits when the block ends, however it ends."""
        try:
            yield
        except BaseException:
            with suppress(Exception):  # the first fault is the one to tell
                self.flush()
            raise
        self.flush()

    def steps(self, rows: list[tuple[int, dict[str, float]]]) -> None:
        """Write the metrics of several steps.

        Raises:
            StoreFullError: the disk is full.
        """
        if self._log is not None:
            self._log.write(rows)
        try:
            self.store.log_steps(self.run.id, rows)
        except Exception as error:
            if "disk is full" in str(error) or "No space left" in str(error):
                raise StoreFullError(
                    f"The disk is full: the metrics of {self.run.name} could not be written. Make room and "
                    "resume the run; it goes on from its last checkpoint."
                ) from error
            raise
