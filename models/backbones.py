"""The backbones of `keras.applications` as one flat functional graph from image to feature map.

Every layer that has weights has the same name in every build, so weights can be moved by name; and no layer
is a model of its own, so any tensor of the graph can be reached from its input (gradients, exports and maps
need that).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from models.registry import Architecture

# How often Keras leaves out the last block of an EfficientNetV2; earlier ones less, in proportion.
KERAS_DROP_PATH = 0.2


def build_backbone(
    architecture: Architecture,
    *,
    image_size: int,
    channels: int,
    weights: str | None = None,
    drop_path: float | None = None,
) -> Any:
    """Build image -> features.

    Args:
        architecture: which one.
        image_size: side of the square input, pixels.
        channels: 1 (repeated to three inside the graph) or 3.
        weights: None (random), "imagenet", or the path of a weights file in Keras's own layout for this
            backbone.
        drop_path: see `models.create_model`.

    Returns:
        A functional Keras model. Input `image` float32 (batch, image_size, image_size, channels) in [0, 255];
        output of layer `features` (batch, h, w, k).
    """
    image = keras.Input((image_size, image_size, channels), name="image", dtype="float32")
    x = keras.layers.Concatenate(name="grey_to_colour")([image] * 3) if channels == 1 else image
    if architecture.family == "ResNetV2":  # the one family that does not scale its input itself
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="to_unit_range")(x)
    build = getattr(keras.applications, architecture.name)
    application = build(include_top=False, weights=weights, input_tensor=x)
    if any(isinstance(layer, keras.Model) for layer in application.layers):
        application = _flatten(application, keep_weights=weights is not None, drop_path=drop_path or 0.0)
    elif drop_path is not None:
        for layer in application.layers:
            if isinstance(layer, keras.layers.Dropout):  # on a path beside a skip connection, all of them
                layer.rate *= drop_path / KERAS_DROP_PATH
    features = keras.layers.Activation("linear", name="features")(application.output)
    return keras.Model(application.inputs[0], features)


def _flatten(model: Any, *, keep_weights: bool, drop_path: float = 0.0) -> Any:
    """Rebuild ConvNeXt with the layers of its inner Sequentials in their place, and with drop path.

    Keras has a layer for that, but its draws cannot be stored: a resumed run would see others.
    """
    paths = [layer.name for layer in model.layers if layer.name.endswith("_identity")]
    rates = dict(zip(paths, np.linspace(0.0, drop_path, len(paths)).tolist(), strict=True))

    def remake(layer: Any) -> Any:
        if rate := rates.get(layer.name, 0.0):
            return keras.layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=layer.name)
        return _remake(layer)

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(layer, keras.Sequential):
            return layer(*arguments, **options)
        (x,) = arguments
        for inner in layer.layers:
            x = _remake(inner)(x)
        return x

    flat = keras.models.clone_model(model, clone_function=remake, call_function=call)
    if keep_weights:
        for source, target in zip(_leaves(model), _leaves(flat), strict=True):
            target.set_weights([_depthwise(source, array) for array in source.get_weights()])
    return flat


def _remake(layer: Any) -> Any:
    """Return a new layer that computes the same as `layer`."""
    config = layer.get_config()
    if _is_depthwise(layer):
        # Keras writes it as a convolution in groups, which TensorFlow compiles anew for every call on a CPU;
        # as a depthwise convolution a training step takes a quarter of the time.
        return keras.layers.DepthwiseConv2D(
            config["kernel_size"], padding=config["padding"], name=config["name"]
        )
    if isinstance(layer, keras.layers.LayerNormalization) and "convnext" not in layer.name:
        config["name"] = "last_normalization"  # Keras leaves it unnamed: a new number in every build
    return layer.__class__.from_config(config)


def _is_depthwise(layer: Any) -> bool:
    return type(layer) is keras.layers.Conv2D and layer.groups == layer.filters


def _depthwise(source: Any, array: np.ndarray) -> np.ndarray:
    """Turn a kernel in groups (h, w, 1, k) into a depthwise one (h, w, k, 1); leave other arrays alone."""
    return array.transpose(0, 1, 3, 2) if _is_depthwise(source) and array.ndim == 4 else array


def _leaves(model: Any) -> Iterator[Any]:
    """Yield the layers that have weights, inner ones in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        elif layer.weights:
            yield layer


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Give the layers made inside the block this dtype policy: `float32`, or `mixed_bfloat16`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make the initial weights and dropout states inside the block a function of `seed`.

    Keras draws the seed of each unseeded layer from Python's generator, whose state is put back afterwards.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
