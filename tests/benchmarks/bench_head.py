"""The head on kept features beside Keras's `fit` with a frozen base: epochs a second, and what both learn."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache.build import build_cache
from pipeline.data.index import build_index
from pipeline.data.phantom import write_phantoms
from pipeline.data.splits import make_split
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.plan import make_plan
from pipeline.workspace import Workspace

SEEDS = range(500, 536)
SLICES, EPOCHS, LONG = 8, 6, 66
CONFIG = TrainConfig(
    dataset="bench", weights="phantom", head_only=True, image_size=224, epochs=EPOCHS, patience=0, threads=2
)


def run() -> list[dict[str, Any]]:
    """Train the same head on the same slices in both ways, in one process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        written = write_phantoms(Path(folder) / "phantoms", seeds=SEEDS, slices=SLICES, masks=False)
        build_index(workspace, written.folder, name="bench", labels_csv=written.labels_csv)
        make_split(workspace, "bench")
        theirs, their_figures = _through_backbone(workspace)
        _train(workspace, EPOCHS)  # computes the features
        short, figures = _train(workspace, EPOCHS)
        long, _ = _train(workspace, LONG)
    ours = (LONG - EPOCHS) / (long - short)
    name = f"{CONFIG.architecture} at {CONFIG.image_size}, {len(SEEDS) * SLICES} slices"
    rows = [
        {
            "figure": f"head alone, {name}",
            "value": ours,
            "unit": "epochs/s",
            "peer": f"Keras fit, frozen base: {theirs:.3f}/s",
            "ratio": ours / theirs,
        }
    ]
    for key, word in (("val_accuracy", "accuracy"), ("val_auc", "AUC")):
        rows.append(
            {
                "figure": f"head alone, validation {word} after {EPOCHS} epochs",
                "value": figures[key],
                "unit": "",
                "peer": f"Keras fit, frozen base: {their_figures[key]:.3f}",
                "ratio": figures[key] / their_figures[key],
            }
        )
    return rows


def _train(workspace: Workspace, epochs: int) -> tuple[float, dict[str, float]]:
    """Return the seconds of a whole training without its export, and its last epoch's figures."""
    from pipeline.training import outcome
    from pipeline.training.train import train

    original, outcome.write_outcome = outcome.write_outcome, lambda *_: None
    try:
        began = time.perf_counter()
        run = train(workspace, CONFIG.model_copy(update={"epochs": epochs}))
        seconds = time.perf_counter() - began
    finally:
        outcome.write_outcome = original
    return seconds, RunStore(workspace).history(run).iloc[-1].to_dict()


def _through_backbone(workspace: Workspace) -> tuple[float, dict[str, float]]:
    """Return epochs a second of Keras's own loop from the second epoch on, and the last epoch's figures."""
    import keras

    from pipeline.training.batches import EvalBatches, TrainBatches
    from pipeline.training.fit import _part, build_model, compile_model
    from pipeline.training.measure import measure

    plan = make_plan(workspace, CONFIG)
    cache = build_cache(workspace, "bench", plan.recipe)
    part, validation = _part(plan, cache, "train"), _part(plan, cache, "val")
    batches = TrainBatches(part, num_classes=len(plan.classes), config=CONFIG)
    model = build_model(workspace, plan, channels=cache.channels)
    compile_model(model, CONFIG, steps_per_epoch=len(batches))
    plain = EvalBatches(validation, image_size=CONFIG.image_size, batch_size=len(validation))[0]
    targets = np.eye(len(plan.classes), dtype=np.float32)[validation.labels]

    class Clock(keras.callbacks.Callback):
        """The time of each epoch's end; lays out the next as a training does."""

        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            batches.set_epoch(epoch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())

    clock = Clock()
    model.fit(
        batches, validation_data=(plain, targets), validation_batch_size=batches.batch_size,
        epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[clock],
    )  # fmt: skip
    probabilities = model.predict(plain, batch_size=batches.batch_size, verbose=0)
    rate = (EPOCHS - 1) / (clock.ends[-1] - clock.ends[0])
    return rate, measure(probabilities, validation.labels)
