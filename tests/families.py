"""One small model of each family and its engine, made once for all tests that need them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.inference.engine import Engine
from pipeline.preprocessing.recipe import PRESETS

FAMILIES = ("EfficientNetV2B0", "ConvNeXtTiny", "ResNet50V2")
CLASSES = ("negative", "non-informative", "positive")
SIZE = 64


@cache
def model(name: str) -> Any:
    """Build a model whose head has statistics as a trained one has: random, and far from neutral."""
    from models import create_model

    built = create_model(name, num_classes=len(CLASSES), image_size=SIZE)
    rng = np.random.default_rng(0)
    head = built.get_layer("head_normalization")
    (k,) = head.weights[0].shape
    head.set_weights(
        [rng.uniform(0.5, 1.5, k), rng.normal(size=k), 0.1 * rng.normal(size=k), rng.uniform(0.5, 2, k)]
    )
    return built


@cache
def engine_folder(name: str) -> Path:
    """Export the model of a family; the folder goes when the tests end."""
    from pipeline.inference.export import export_engine

    folder = Path(tempfile.mkdtemp(prefix="hilum-engine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    recipe = PRESETS["hilum"].changed(size=128)
    export_engine(model(name), folder / "engine", class_names=CLASSES, recipe=recipe)
    return folder / "engine"


def engine(name: str) -> Engine:
    """Open the engine of a family."""
    return Engine.open(engine_folder(name))


def outputs(name: str, batch: np.ndarray) -> list[np.ndarray]:
    """Return logits, probabilities and features as Keras computes them."""
    import keras

    layers = [model(name).get_layer(layer).output for layer in ("logits", "probabilities", "features")]
    return [np.asarray(value) for value in keras.Model(model(name).input, layers)(batch)]


def slices(count: int = 2) -> np.ndarray:
    """Return network inputs: smooth random pictures, float32 (count, SIZE, SIZE, 1) in [0, 255]."""
    import cv2

    coarse = np.random.default_rng(5).uniform(0, 255, (count, 8, 8)).astype(np.float32)
    return np.stack([cv2.resize(picture, (SIZE, SIZE))[..., None] for picture in coarse])
