"""What workers do in tests: train a small network, and lose one of them in the middle of an epoch."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from pipeline.training.checkpoint import Fitted
from pipeline.training.cluster import work
from pipeline.training.cluster.work import Order
from pipeline.training.cluster.worker import Line
from pipeline.training.share import Share

TRAIN = work.train_share
KILLED = "killed-once"  # a file among a run's: its worker was killed already


def train_tiny(share: Share, line: Line, order: Order) -> Fitted:
    """Train the stand-in instead of a real architecture, with a checkpoint after each epoch."""
    from pipeline.training import fit, keeping
    from tests.training.small import create_tiny

    fit.create_model = create_tiny
    keeping.SHARE = 1e9
    return TRAIN(share, line, order)


def train_and_lose_one(share: Share, line: Line, order: Order) -> Fitted:
    """The same, but worker 1 is killed, once, in the third epoch; in the fourth there is time to stop."""
    from pipeline.training import callbacks, fit

    class Dying(callbacks.Curves):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            mark = order.run.artifacts / KILLED
            if share.rank == 1 and (self._epoch, batch) == (2, 2) and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self._epoch == 3:
                time.sleep(0.5)
            super().on_train_batch_end(batch, logs)

    fit.Curves = Dying
    return train_tiny(share, line, order)
