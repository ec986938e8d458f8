"""Training from the cache beside a bare `model.fit` on one constant batch; the feed alone beside Keras's."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.cache.build import build_cache
from pipeline.data.index import build_index, load_index
from pipeline.preprocessing.recipe import PRESETS
from pipeline.training.config import TrainConfig
from pipeline.workspace import Workspace

SLICES = 192
ROUNDS, STEPS = 3, 6
CONFIG = TrainConfig(dataset="bench", image_size=224, batch_size=16, balance="none")


def run() -> list[dict[str, Any]]:
    """Measure both rates in turns, so that a busy machine slows them alike."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        part, prepared = _prepare(root)
        feed, generator = _feed_rates(root, part)
        real, constant = _training_rates(part)
    name = f"{CONFIG.architecture} at {CONFIG.image_size}, batch {CONFIG.batch_size}"
    return [
        {"figure": "cache: slices prepared, 512 x 512, 2 processes", "value": prepared, "unit": "slices/s"},
        {
            "figure": f"training, {name}",
            "value": real,
            "unit": "images/s",
            "peer": f"model.fit on one constant batch: {constant:.1f}/s",
            "ratio": real / constant,
        },
        {
            "figure": "feed alone: rotation, shift, zoom, 512 to 224",
            "value": feed,
            "unit": "images/s",
            "peer": f"Keras's ImageDataGenerator, same files: {generator:.0f}/s",
            "ratio": feed / generator,
        },
    ]


def _prepare(root: Path) -> tuple[Any, float]:
    """Write JPEGs, index and prepare them; return the part and the slices prepared a second."""
    from pipeline.training.batches import Part

    rng = np.random.default_rng(0)
    for number in range(SLICES):
        coarse = rng.integers(0, 255, (16, 16), dtype=np.uint8)
        image = cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_CUBIC)
        path = root / "slices" / ("pCT", "nCT", "NiCT")[number % 3] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    workspace = Workspace.open(root / "workspace")
    build_index(workspace, root / "slices", name="bench")
    began = time.perf_counter()
    cache = build_cache(workspace, "bench", PRESETS["hilum"])
    prepared = SLICES / (time.perf_counter() - began)
    index = load_index(workspace, "bench").set_index("slice_id")
    labels = index.loc[cache.slice_ids, "label"].astype("category").cat.codes.to_numpy(np.int64)
    return Part(cache.array, cache.rows(cache.slice_ids), labels), prepared


def _feed_rates(root: Path, part: Any) -> tuple[float, float]:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from pipeline.training.batches import TrainBatches

    batches = TrainBatches(part, num_classes=3, config=CONFIG)
    generator = ImageDataGenerator(rotation_range=10, width_shift_range=0.08, height_shift_range=0.08)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it found
        flow = generator.flow_from_directory(
            str(root / "slices"), target_size=(224, 224), color_mode="grayscale", batch_size=CONFIG.batch_size
        )
    times = {"ours": 0.0, "theirs": 0.0}
    for _ in range(ROUNDS):
        for name, count, source in (("ours", len(batches), batches), ("theirs", len(flow), flow)):
            began = time.perf_counter()
            for index in range(count):
                source[index]
            times[name] += time.perf_counter() - began
    return ROUNDS * SLICES / times["ours"], ROUNDS * SLICES / times["theirs"]


def _training_rates(part: Any) -> tuple[float, float]:
    import keras

    from models import create_model
    from pipeline.training.batches import TrainBatches
    from pipeline.training.fit import compile_model

    class Constant(keras.utils.PyDataset):
        """The same batch again and again."""

        def __init__(self, batch: Any) -> None:
            super().__init__()
            self.batch = batch

        def __len__(self) -> int:
            return STEPS

        def __getitem__(self, index: int) -> Any:
            return self.batch

    class Some(TrainBatches):
        """As many steps of the real batches."""

        def __len__(self) -> int:
            return STEPS

    real = Some(part, num_classes=3, config=CONFIG)
    model = create_model(CONFIG.architecture, num_classes=3, image_size=CONFIG.image_size)
    compile_model(model, CONFIG, steps_per_epoch=STEPS)
    sources = {"real": real, "constant": Constant(real[0])}
    model.fit(sources["constant"], verbose=0)  # compiles
    times = dict.fromkeys(sources, 0.0)
    for name in itertools.chain.from_iterable([list(sources)] * ROUNDS):
        began = time.perf_counter()
        model.fit(sources[name], verbose=0, shuffle=False)
        times[name] += time.perf_counter() - began
    images = ROUNDS * STEPS * CONFIG.batch_size
    return images / times["real"], images / times["constant"]
