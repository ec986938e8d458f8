"""The demo model in f32, as Hilum computes, beside what OpenVINO takes by itself on this processor."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.backend import start_backend
from pipeline.data.phantom import generate_patient
from pipeline.data.statistics import display_grey
from pipeline.demo_model import load_shipped_model
from pipeline.inference.engine import PRECISION, Engine, infer, read_network
from pipeline.inference.runtime import load_openvino
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.geometry import to_model_input

PATIENTS, SLICES = range(1000, 1025), 8


def run() -> list[dict[str, Any]]:
    """Compare labels and probabilities over slices that the model has not seen; and the time of each."""
    with tempfile.TemporaryDirectory() as folder:
        engine = _shipped_engine(Path(folder) / "engine")
        openvino = load_openvino()
        network = read_network(engine.folder, engine.facts, 1)
        default = openvino.Core().compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
        kind = default.get_property("INFERENCE_PRECISION_HINT").to_string()
        inputs = [_input(engine, each.slice_hu) for seed in PATIENTS for each in _patient(seed)]
        (exact, exact_ms), (other, other_ms) = _in_turns(engine, [engine._for_batch(1), default], inputs)
    apart = np.abs(exact - other).max()
    changed = int((exact.argmax(axis=1) != other.argmax(axis=1)).sum())
    name = f"{engine.facts.architecture} at {engine.facts.image_size}, {len(inputs)} slices"
    return [
        {"figure": f"answers in {PRECISION} beside OpenVINO's default, {name}", "value": changed,
         "unit": "changed", "peer": f"the default is {kind} here; a probability differs by {apart:.2g}"},
        {"figure": "the same, milliseconds a slice", "value": exact_ms, "unit": "ms",
         "peer": f"{kind}: {other_ms:.1f} ms", "ratio": other_ms / exact_ms},
    ]  # fmt: skip


def _patient(seed: int) -> list[Any]:
    return generate_patient(seed, slices=SLICES)


def _shipped_engine(folder: Path) -> Engine:
    start_backend()
    from pipeline.inference.export import export_engine

    shipped = load_shipped_model()
    export_engine(shipped.build(), folder, class_names=shipped.classes, recipe=shipped.recipe)
    return Engine.open(folder)


def _input(engine: Engine, slice_hu: np.ndarray) -> np.ndarray:
    grey = display_grey(slice_hu, intensity="hu")
    output = preprocess_output(grey, intensity="grey", recipe=engine.recipe)
    return to_model_input(output, image_size=engine.facts.image_size, channels=engine.facts.channels)[None]


def _in_turns(engine: Engine, graphs: list[Any], inputs: list[np.ndarray]) -> list[tuple[np.ndarray, float]]:
    """Return each graph's probabilities (n, c), and its median milliseconds of a slice."""
    logits: list[list[np.ndarray]] = [[] for _ in graphs]
    took: list[list[float]] = [[] for _ in graphs]
    for batch in inputs:
        for place, graph in enumerate(graphs):
            began = time.perf_counter()
            logits[place].append(infer(graph, batch).logits[0])
            took[place].append(1e3 * (time.perf_counter() - began))
    return [
        (engine.probabilities(np.stack(said)), float(np.median(times)))
        for said, times in zip(logits, took, strict=True)
    ]
