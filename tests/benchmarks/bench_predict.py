"""A slice's answer and heatmap: the engine beside Keras with tf-keras-vis, and beside the bare network.

The demo model, then one of each family with random weights: how fast a network is does not depend on what it
learnt. The larger the input, the less of the usual way's time is overhead that an engine saves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.backend import start_backend
from pipeline.data.phantom import generate_patient
from pipeline.data.reading import read_slice_bytes
from pipeline.data.statistics import display_grey
from pipeline.demo_model import load_shipped_model
from pipeline.explanation.closed_form import closed_form_cam, grad_cam, scaled
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.preprocessing.recipe import PRESETS

FAMILIES = ("EfficientNetV2B0", "ConvNeXtTiny", "ResNet50V2")
SIZES = {224: 12, 512: 9}  # and how many rounds
ROUNDS = 21  # of the demo model
SELDOM = 3  # the usual way, which takes seconds, is timed once in so many rounds
SEED = 1000
TOLERANCE = 1e-3  # of the two Grad-CAM maps, each scaled to [0, 1]


def run() -> list[dict[str, Any]]:
    """Time all in turns on one slice, so that a busy machine slows them alike; values are medians."""
    start_backend()
    phantom = generate_patient(SEED, slices=5)[2]
    upload = cv2.imencode(".png", display_grey(phantom.slice_hu, intensity="hu"))[1].tobytes()
    with tempfile.TemporaryDirectory() as folder:
        rows = _shipped_rows(Path(folder), upload)
        for name in FAMILIES:
            for size in SIZES:
                rows += _family_rows(Path(folder), name, size, upload)
    return rows


def _shipped_rows(folder: Path, upload: bytes) -> list[dict[str, Any]]:
    shipped = load_shipped_model()
    model = shipped.build()
    engine = _exported(model, folder / "shipped", shipped.classes, shipped.recipe)
    calls = _calls(model, engine, upload) | {"upload": _upload(engine, upload)}
    took = _in_turns(calls, ROUNDS)
    row = {"figure": "PNG upload of 512 x 512 to its heatmap, gate included", "value": took["upload"]}
    peer = {"peer": f"bare OpenVINO forward pass: {took['bare']:.1f} ms"}
    beside = row | {"unit": "ms", "ratio": took["bare"] / took["upload"]} | peer
    return [*_rows(took, f"{engine.facts.architecture} at {engine.facts.image_size}"), beside]


def _family_rows(folder: Path, name: str, size: int, upload: bytes) -> list[dict[str, Any]]:
    import keras

    from models import create_model

    keras.backend.clear_session()
    model = create_model(name, num_classes=3, image_size=size)
    engine = _exported(model, folder / f"{name}-{size}", ("a", "b", "c"), PRESETS["hilum"])
    took = _in_turns(_calls(model, engine, upload), SIZES[size])
    return _rows(took, f"{name} at {size}, random")


def _exported(model: Any, folder: Path, classes: tuple[str, ...], recipe: Any) -> Engine:
    from pipeline.inference.export import export_engine

    export_engine(model, folder, class_names=classes, recipe=recipe)
    return Engine.open(folder)


def _calls(model: Any, engine: Engine, upload: bytes) -> dict[str, Callable[[], Any]]:
    """Return ours, the usual way and the bare network, after both maps were found to be the same."""
    prediction = predict_slice(engine, read_slice_bytes(upload))
    batch = prediction.model_input[None]
    place = engine.classes.index(prediction.label)
    _check_same_map(model, engine, batch, place)
    return {
        "ours": _ours(engine, batch, place),
        "keras": _keras(model, batch, place),
        "bare": _bare(engine, batch),
    }


def _rows(took: dict[str, float], name: str) -> list[dict[str, Any]]:
    bare = f"bare OpenVINO forward pass: {took['bare']:.1f} ms"
    keras = f"model.predict + tf-keras-vis Gradcam: {took['keras']:.0f} ms"
    answer = {"figure": f"answer + exact heatmap, {name}", "value": took["ours"], "unit": "ms"}
    return [
        answer | {"peer": keras, "ratio": took["keras"] / took["ours"]},
        answer | {"figure": "the same", "peer": bare, "ratio": took["bare"] / took["ours"]},
    ]


def _ours(engine: Engine, batch: np.ndarray, place: int) -> Callable[[], Any]:
    def answer() -> Any:
        outputs = engine.run(batch)
        return closed_form_cam(outputs.features[0], engine.cam, class_index=place).scaled

    return answer


def _upload(engine: Engine, data: bytes) -> Callable[[], Any]:
    def answer() -> Any:
        prediction = predict_slice(engine, read_slice_bytes(data))
        return prediction.on_slice(prediction.heatmap.values)

    return answer


def _bare(engine: Engine, batch: np.ndarray) -> Callable[[], Any]:
    """Return the network alone: one request, made once."""
    request = engine._for_batch(1).create_infer_request()
    return lambda: request.infer([batch])


def _keras(model: Any, batch: np.ndarray, place: int) -> Callable[[], Any]:
    """Return the usual way: predict, then Gradcam with all that can be made beforehand made beforehand."""
    cam, score = _gradcam(model, place)

    def answer() -> Any:
        model.predict(batch, verbose=0)
        return cam(score, batch, penultimate_layer="features", seek_penultimate_conv_layer=False)

    return answer


def _gradcam(model: Any, place: int) -> tuple[Any, Any]:
    import keras
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    logits = keras.Model(model.inputs[0], model.get_layer("logits").output)
    return Gradcam(logits, clone=False), CategoricalScore([place])


def _check_same_map(model: Any, engine: Engine, batch: np.ndarray, place: int) -> None:
    """Make sure that both compute the same Grad-CAM: a quick answer to another question is no answer."""
    cam, score = _gradcam(model, place)
    theirs = cam(
        score, batch, penultimate_layer="features", seek_penultimate_conv_layer=False, expand_cam=False,
        normalize_cam=False,
    )  # fmt: skip
    ours = scaled(grad_cam(engine.run(batch).features[0], engine.cam, class_index=place))
    off = float(np.abs(scaled(np.asarray(theirs)[0]) - ours).max())
    if off > TOLERANCE:
        raise RuntimeError(f"The two maps differ by {off:.2g} of their scale.")


def _in_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return each call's median milliseconds; it is made once untimed before, as what ran last cools it."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name, call in calls.items():
            if name == "keras" and turn % SELDOM:
                continue
            call()
            began = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: float(np.median(values)) for name, values in times.items()}
