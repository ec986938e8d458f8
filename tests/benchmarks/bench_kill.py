"""A training killed a hundred times at random moments and resumed; what checkpoints cost a real training."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.training.killing import kill_and_compare
from tests.training.small import open_discs

KILLS = 100
SECONDS = 60.0  # of a real architecture's training, to weigh its checkpoints


def run() -> list[dict[str, Any]]:
    """Count how many ended in other bits than the one that was never killed; weigh the checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_discs(Path(folder))
        found = kill_and_compare(workspace, kills=KILLS)
    with tempfile.TemporaryDirectory() as folder:
        share, worst, count = _weigh(Path(folder))
    return [
        {"figure": "kill -9 at random moments, then resumed", "value": found.kills, "unit": "kills"},
        {
            "figure": "  of those with part of an epoch kept",
            "value": found.within,
            "unit": "kills",
        },
        {
            "figure": "  runs that ended in other bits than one never killed",
            "value": len(found.different),
            "unit": "runs",
            "peer": f"{found.runs} runs ended",
        },
        {"figure": "  all of it", "value": found.seconds / max(1, found.kills), "unit": "s a kill"},
        {
            "figure": "checkpoints of EfficientNetV2B0 at 160, batch 8",
            "value": 100 * share,
            "unit": "% of time",
            "peer": f"{count} checkpoints; waiting and writing counted",
        },
        {"figure": "  longest time between two", "value": worst, "unit": "s"},
    ]


def _weigh(root: Path) -> tuple[float, float, int]:
    """Train within one epoch; return the checkpoints' share of the time, the longest pause, their number."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    from models import create_model
    from pipeline.training.batches import Part, TrainBatches
    from pipeline.training.checkpoint import TrainingState
    from pipeline.training.config import Augmentation, TrainConfig
    from pipeline.training.fit import compile_model
    from pipeline.training.keeping import Keeper

    config = TrainConfig(
        dataset="bench", image_size=160, batch_size=8, balance="none", augment=Augmentation.none()
    )
    rng = np.random.default_rng(0)
    part = Part(rng.integers(0, 255, (8000, 160, 160), np.uint8), np.arange(8000), rng.integers(0, 3, 8000))
    batches = TrainBatches(part, num_classes=3, config=config)
    model = create_model(config.architecture, num_classes=3, image_size=160)
    compile_model(model, config, steps_per_epoch=len(batches))
    keeper = Keeper(root / "resume" / "state.npz")

    class Keeping(keras.callbacks.Callback):
        """Keep as a training does, until the time is over; the first batches compile and do not count."""

        began = 0.0
        moments: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now = time.monotonic()
            if batch == 3:
                self.began = keeper._last = now
                self.moments = [now]
            if batch <= 3:
                return
            if keeper.is_due(epoch_ends=False):
                keeper.save(self.model, TrainingState(step=batch + 1))
                self.moments.append(now)
            self.model.stop_training = now - self.began > SECONDS

    keeping = Keeping()
    model.fit(batches, verbose=0, shuffle=False, callbacks=[keeping])
    keeper.finish()
    pauses = np.diff([*keeping.moments, time.monotonic()])
    share = (keeper.waited + keeper.worked) / (time.monotonic() - keeping.began)
    return share, float(pauses.max()), keeper.count
