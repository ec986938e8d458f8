"""The engine over many slices, several at once: as fast as the machine can, answers as they come."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.inference.engine import Engine
from pipeline.inference.reference import pool
from pipeline.inference.runtime import load_openvino
from pipeline.inference.table import Answers
from pipeline.preprocessing.geometry import to_model_input


class PendingAnswers:
    """The network's answers for some slices, on their way."""

    def __init__(self, engine: Engine, count: int) -> None:
        self._logits = np.zeros((count, len(engine.classes)), np.float32)
        self._pooled = np.zeros((count, 2 * len(engine.cam.weights)), np.float32)
        self._left = count
        self._lock = threading.Lock()
        self._done = threading.Event()
        if not count:
            self._done.set()

    def put(self, place: int, logits: np.ndarray, features: np.ndarray) -> None:
        """Take what the network said of one slice: (c,) and (h, w, k)."""
        self._logits[place], self._pooled[place] = logits, pool(features)
        with self._lock:
            self._left -= 1
            if not self._left:
                self._done.set()

    def wait(self) -> Answers:
        """Return the answers, when the last of them is there."""
        self._done.wait()
        return Answers(self._logits, self._pooled)


class EngineStream:
    """One engine, compiled for throughput: as many slices at once as OpenVINO finds best.

    Args:
        threads: how many it may take; by default one a core.
    """

    def __init__(self, engine: Engine, *, threads: int | None = None) -> None:
        self._engine = engine
        self._queue = load_openvino().AsyncInferQueue(_compile(engine, threads))
        self._queue.set_callback(_take)

    def send(self, images: Sequence[np.ndarray]) -> PendingAnswers:
        """Begin with prepared slices, uint8 (size, size[, 3]); waits while as many as can are under way."""
        facts = self._engine.facts
        pending = PendingAnswers(self._engine, len(images))
        for place, image in enumerate(images):
            batch = to_model_input(image, image_size=facts.image_size, channels=facts.channels)[None]
            self._queue.start_async([batch], (pending, place))
        return pending

    def close(self) -> None:
        """Wait for what is under way."""
        self._queue.wait_all()


def _take(request: Any, told: tuple[PendingAnswers, int]) -> None:
    pending, place = told
    pending.put(place, request.get_tensor("logits").data[0], request.get_tensor("features").data[0])


def _compile(engine: Engine, threads: int | None) -> Any:
    core = load_openvino().Core()
    network = core.read_model(engine.folder / "model.xml")
    facts = engine.facts
    network.reshape([1, facts.image_size, facts.image_size, facts.channels])
    # f32, as where slices are asked about one by one: the same slice has the same answer.
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(network, "CPU", options)
