"""A folder of slices predicted as one table, beside the engine alone over slices prepared beforehand.

The network has random weights, 512 x 512 in: how fast it is does not depend on what it learnt. Memory is that
of the batch's own process, when a quarter of it is done and at its end.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from models.backend import start_backend
from pipeline.data.phantom import generate_patient
from pipeline.data.statistics import display_grey
from pipeline.inference.batch import predict_batch
from pipeline.inference.engine import Engine
from pipeline.inference.stream import EngineStream
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.recipe import PRESETS
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace

ARCHITECTURE, SIZE = "EfficientNetV2B0", 512
SLICES, ALONE = 640, 64
CLASSES = ("negative", "non-informative", "positive")


def run() -> list[dict[str, Any]]:
    """Return slices a second of the whole way, with the engine's own before and after it, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        made = make_run(workspace)
        pictures = write_slices(Path(folder) / "slices")
        engine = Engine.load(made)
        alone = [_engine_alone(engine, pictures)]
        memory = _Memory()
        began = time.perf_counter()
        predict_batch(
            workspace, made, [Path(folder) / "slices"], Path(folder) / "out.parquet", progress=memory
        )
        whole = SLICES / (time.perf_counter() - began)
        alone.append(_engine_alone(engine, pictures))
    own = float(np.mean(alone))
    peer = f"the engine alone: {alone[0]:.1f} before, {alone[1]:.1f} after"
    return [
        {"figure": f"folder of {SLICES} PNG of 512 x 512 to a table, {ARCHITECTURE} at {SIZE}",
         "value": whole, "unit": "slices/s", "peer": peer, "ratio": whole / own},
        {"figure": "the same once its processes run, memory at its end", "value": memory.last / 2**20,
         "unit": "MiB", "peer": f"after a quarter: {memory.quarter / 2**20:.0f} MiB",
         "ratio": memory.last / memory.quarter},
        {"figure": "the same, between a quarter and its end", "value": memory.rate, "unit": "slices/s",
         "peer": peer, "ratio": memory.rate / own},
    ]  # fmt: skip


class _Memory:
    """What the batch's process takes, and how fast it goes, from a quarter of the way on."""

    def __init__(self) -> None:
        self.quarter = self.last = 0
        self.rate = 0.0
        self._since: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if total and done >= total // 4:
            now, self.last = time.perf_counter(), psutil.Process().memory_info().rss
            if self._since is None:
                self._since, self.quarter = (now, done), self.last
            elif now > self._since[0]:
                self.rate = (done - self._since[1]) / (now - self._since[0])


def make_run(workspace: Workspace, *, size: int = SIZE) -> RunInfo:
    """Make a finished run with random weights."""
    start_backend()
    from models import create_model
    from pipeline.inference.export import export_engine

    model = create_model(ARCHITECTURE, num_classes=len(CLASSES), image_size=size)
    store = RunStore(workspace)
    made = store.create("random", {}, {})
    export_engine(model, made.artifacts / "engine", class_names=CLASSES, recipe=PRESETS["hilum"])
    store.finish(made.id)
    return made


def write_slices(folder: Path, *, count: int = SLICES) -> list[np.ndarray]:
    """Write `count` files of a few phantoms' slices; return those slices as they are prepared."""
    folder.mkdir()
    greys = [
        display_grey(each.slice_hu, intensity="hu")
        for seed in (1000, 1001)
        for each in generate_patient(seed, slices=8)
    ]
    for number, grey in enumerate(greys):
        cv2.imwrite(str(folder / f"{number:05d}.png"), grey)
    for number in range(len(greys), count):
        shutil.copyfile(folder / f"{number % len(greys):05d}.png", folder / f"{number:05d}.png")
    return [preprocess_output(grey, intensity="grey", recipe=PRESETS["hilum"]) for grey in greys]


def _engine_alone(engine: Engine, pictures: list[np.ndarray]) -> float:
    """Return slices a second of the engine at its best, pooling included, on slices prepared beforehand."""
    stream = EngineStream(engine)

    def ask(count: int) -> None:
        stream.send([pictures[at % len(pictures)] for at in range(count)]).wait()

    ask(8)
    began = time.perf_counter()
    ask(ALONE)
    rate = ALONE / (time.perf_counter() - began)
    stream.close()
    return rate
