"""Blocks of a backbone: all of its layers, each once, the topmost last; and drop path, which skips them."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from models import create_model
from models.blocks import find_blocks, top_layers
from models.registry import HEAD_LAYERS

BLOCKS = {"EfficientNetV2B0": 21, "ConvNeXtTiny": 18, "ResNet50V2": 16}  # as their papers count them
SLICES = np.random.default_rng(1).uniform(0, 255, (8, 32, 32, 1)).astype(np.float32)


@cache
def model(name: str, drop_path: float | None = None) -> Any:
    return create_model(name, num_classes=2, image_size=32, dropout=0.0, drop_path=drop_path)


@pytest.mark.parametrize(("name", "count"), BLOCKS.items())
def test_every_layer_of_the_backbone_is_in_one_block(name, count):
    blocks = find_blocks(model(name))
    assert len(blocks) == count
    names = [layer.name for block in blocks for layer in block]
    backbone = [layer.name for layer in model(name).layers if layer.name not in HEAD_LAYERS]
    assert sorted(names) == sorted(backbone)
    assert blocks[0][0].name == "image" and blocks[-1][-1].name == "features"


@pytest.mark.parametrize("name", BLOCKS)
def test_the_topmost_blocks_are_those_before_the_features(name):
    one, two, all_ = (top_layers(model(name), count) for count in (1, 2, 99))
    assert one < two < all_
    assert len(all_) == len(model(name).layers) - len(HEAD_LAYERS)
    assert "image" not in two


def _paths(built: Any) -> list[float]:
    """Return how often each block is left out, lowest first."""
    layers = [layer for layer in built.layers if isinstance(layer, keras.layers.Dropout)]
    return [layer.rate for layer in layers if layer.name not in HEAD_LAYERS]


@pytest.mark.parametrize(("name", "highest"), [("EfficientNetV2B0", 20 / 21), ("ConvNeXtTiny", 1.0)])
def test_deeper_blocks_are_left_out_more_often(name, highest):
    rates = _paths(model(name, 0.4))
    assert rates == sorted(rates) and len(rates) > 10
    assert rates[-1] == pytest.approx(0.4 * highest)


def test_without_a_word_drop_path_is_as_keras_has_it():
    assert _paths(model("EfficientNetV2B0"))[-1] == pytest.approx(0.2 * 20 / 21)
    assert not _paths(model("ConvNeXtTiny")) and not _paths(model("ResNet50V2", 0.4))
    assert set(_paths(model("EfficientNetV2B0", 0.0))) == {0.0}


def test_a_path_is_left_out_for_some_slices_in_training_and_never_in_prediction():
    built = model("ConvNeXtTiny", 0.9)
    layer = [layer for layer in built.layers if isinstance(layer, keras.layers.Dropout)][10]
    ones = np.ones((64, 2, 2, 3), np.float32)
    dropped = np.asarray(layer(ones, training=True))
    assert {len(set(slice_.ravel())) for slice_ in dropped} == {1}, "a slice's path is whole or gone"
    assert 0 < (dropped[:, 0, 0, 0] == 0).mean() < 1
    np.testing.assert_array_equal(np.asarray(layer(ones)), ones)


def test_mixed_precision_computes_in_half_and_keeps_whole_weights_and_logits():
    mixed = create_model("EfficientNetV2B0", num_classes=2, image_size=32, mixed_precision=True)
    plain = create_model("EfficientNetV2B0", num_classes=2, image_size=32)
    assert mixed.get_layer("features").compute_dtype == "bfloat16"
    assert mixed.get_layer("logits").compute_dtype == "float32"
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    for one, other in zip(mixed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(np.asarray(mixed(SLICES)), np.asarray(plain(SLICES)), atol=0.05)
