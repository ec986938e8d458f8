"""The child of `killing`: trains or resumes a run with a small network; loaded once, forked for each."""

from __future__ import annotations

import time
from typing import Any

import keras

from pipeline.training import callbacks, fit, keeping, outcome
from pipeline.training.train import resume
from pipeline.workspace import Workspace
from tests.training.small import create_tiny


def go_on(root: str, run_id: str, batch_seconds: float) -> None:
    """Train the run `run_id` of a workspace from where it stands to its end, with many checkpoints."""

    class Slow(callbacks.Curves):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            time.sleep(batch_seconds)
            super().on_train_batch_end(batch, logs)

    keras.utils.set_random_seed(time.time_ns() % 2**31)  # another process has another state
    fit.create_model, fit.Curves = create_tiny, Slow
    outcome.write_outcome = lambda *_: None
    keeping.SHARE, keeping.SHORTEST = 0.5, 0.03
    resume(Workspace.open(root), run_id)
