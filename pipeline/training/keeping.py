"""Keeping a training: when a checkpoint is written, and going on in the middle of an epoch.

A checkpoint is a copy in memory (the training waits for that), which a thread writes (it does not wait for
that). It may cost 2 % of the time, both counted, and comes every 10 to 25 seconds within an epoch; at an
epoch's end as soon as its cost allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.training.checkpoint import (
    TrainingState,
    counters_of,
    hold_best,
    read_counters,
    take_snapshot,
    write_snapshot,
)

SHARE = 0.02  # of the time
SHORTEST, LONGEST = 10.0, 25.0  # seconds between two checkpoints within an epoch


class Keeper:
    """Writes the checkpoints of one training; with `writes` off none, for another process of its group does.

    Attributes:
        count: written so far.
        waited: seconds that the training waited for them.
        worked: seconds that the writing thread computed.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self.count = 0
        self.waited = self.worked = 0.0
        self._cost = 0.0  # of the last one, seconds
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def is_due(self, *, epoch_ends: bool) -> bool:
        """Whether the time for a checkpoint has come."""
        if not self.writes or (self._thread is not None and self._thread.is_alive()):
            return False
        pause = self._cost / SHARE
        if not epoch_ends:
            pause = min(max(pause, SHORTEST), LONGEST)
        return time.monotonic() - self._last >= pause

    def save(self, model: Any, state: TrainingState) -> None:
        """Copy where `model` stands, and begin to write it.

        Raises:
            WorkspaceUnwritableError: the one before could not be written.
        """
        if not self.writes:
            return
        self.finish()
        began = time.monotonic()
        hold_best(self.path, state)
        snapshot = take_snapshot(model, state)
        waited = time.monotonic() - began

        def write() -> None:
            used = time.thread_time()
            try:
                write_snapshot(self.path, snapshot)
            except BaseException as error:  # told to the training, by `finish`
                self._error = error
            worked = time.thread_time() - used
            self._cost = waited + worked
            self.worked += worked

        self.count += 1
        self.waited += waited
        self._last = time.monotonic()
        self._thread = threading.Thread(target=write, name="checkpoint")
        self._thread.start()

    def finish(self) -> None:
        """Wait until what was begun is on the disk.

        Raises:
            WorkspaceUnwritableError: it could not be written.
        """
        if self._thread is not None:
            began = time.monotonic()
            self._thread.join()
            self.waited += time.monotonic() - began
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class RestOfEpoch(keras.utils.PyDataset):
    """The batches of an epoch from `first` on."""

    def __init__(self, batches: Any, first: int) -> None:
        super().__init__(workers=1)
        self.batches = batches
        self.first = first

    def __len__(self) -> int:
        return len(self.batches) - self.first

    def __getitem__(self, index: int) -> Any:
        return self.batches[self.first + index]


class Counters(keras.callbacks.Callback):
    """Give the figures of an epoch back what its first batches had summed up, and keep the weights.

    Keras sets its figures to nothing as an epoch begins, and puts averaged weights in the place of the
    model's own as a fit ends.
    """

    def __init__(self, path: Path, told: Callable[[dict[str, float]], None]) -> None:
        super().__init__()
        self._arrays = read_counters(path)
        self._told = told
        self._own: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras makes the variables of its figures with the first batch that they are asked about.
        nothing = np.zeros((1, self.model.output_shape[-1]), np.float32)
        self.model.compute_metrics(None, nothing, nothing)
        for variable, array in zip(counters_of(self.model), self._arrays, strict=True):
            variable.assign(array)
        self._told({key: float(value) for key, value in self.model.get_metrics_result().items()})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.model.optimizer.use_ema:
            self._own = [keras.ops.convert_to_numpy(v).copy() for v in self.model.trainable_variables]

    def take_back(self) -> None:
        """Put the model's own weights back after the fit."""
        for variable, value in zip(
            self.model.trainable_variables if self._own else (), self._own, strict=True
        ):
            variable.assign(value)


def fit_on(
    model: Any,
    batches: Any,
    *,
    path: Path,
    state: Callable[[], TrainingState],
    first_epoch: int,
    end: int,
    callbacks: list[Any],
    told: Callable[[dict[str, float]], None],
) -> None:
    """Fit a compiled `model` until epoch `end`, from the middle of an epoch where `state` says so.

    Args:
        batches: of a whole epoch.
        path: of the checkpoint that `model` was brought to.
        state: where the training stands now.
        first_epoch: of this stage, counted from 0.
        callbacks: count the batches of a rest of an epoch from its first.
        told: takes the figures of the batches that were done.
    """
    options: dict[str, Any] = {"shuffle": False, "verbose": 0}  # the batches have their own order
    began = state()
    if began.step and began.epoch >= first_epoch:
        counters = Counters(path, told)
        model.fit(
            RestOfEpoch(batches, began.step),
            initial_epoch=began.epoch,
            epochs=began.epoch + 1,
            callbacks=[*callbacks, counters],
            **options,
        )
        if model.stop_training or began.epoch + 1 >= end:
            return
        counters.take_back()
    model.fit(
        batches, initial_epoch=max(first_epoch, state().epoch), epochs=end, callbacks=callbacks, **options
    )
