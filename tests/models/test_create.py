"""Every architecture builds as one flat graph with the named layers, and learns."""

import keras
import numpy as np
import pytest

from models import ARCHITECTURES, create_model, load_weights, save_weights
from models.errors import ModelShapeError, WeightsDownloadError

SMALL = ("EfficientNetV2B0", "ConvNeXtTiny", "ResNet50V2")
QUICK = (*SMALL, "EfficientNetV2B1", "ConvNeXtSmall", "ResNet101V2")
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]


def slices(count: int = 2, size: int = 32, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, channels)).astype(np.float32)


@pytest.fixture(autouse=True)
def _free_memory():
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("name", ALL)
def test_builds_one_flat_graph_with_the_named_layers(name):
    model = create_model(name, num_classes=3, image_size=64)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.get_layer("features").output.shape == (None, 2, 2, ARCHITECTURES[name].feature_channels)
    assert model.get_layer("logits").output.shape == (None, 3)
    assert model.output is model.get_layer("probabilities").output
    assert model.input.shape == (None, 64, 64, 1) and model.input.dtype == "float32"
    head = sum(model.get_layer(part).count_params() for part in ("head_normalization", "logits"))
    millions = (model.count_params() - head) / 1e6
    assert millions == pytest.approx(ARCHITECTURES[name].parameters_millions, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in QUICK if name not in SMALL] + ["EfficientNetV2S"])
def test_a_larger_model_gives_the_same_logits_after_save_and_load(name, tmp_path):
    model = create_model(name, num_classes=3, image_size=32, seed=1)
    expected = np.asarray(model(slices()))
    save_weights(model, tmp_path / "a.weights.h5")
    del model
    other = create_model(name, num_classes=3, image_size=32, seed=2)
    load_weights(other, tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(np.asarray(other(slices())), expected)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_model_trains_a_step_and_answers_with_a_softmax(name):
    model = create_model(name, num_classes=2, image_size=32)
    # Eager: compiling a graph for one step takes half a minute.
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", run_eagerly=True)
    before = [weight.copy() for weight in model.get_weights()]
    loss = model.train_on_batch(slices(), np.array([0, 1]))
    assert np.isfinite(loss)
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.9
    both = keras.Model(model.input, [model.get_layer("logits").output, model.output])
    logits, probabilities = (np.asarray(value) for value in both(slices()))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def test_one_channel_is_seen_as_three_equal_ones():
    grey = create_model("ResNet50V2", num_classes=2, image_size=32, channels=1)
    colour = create_model("ResNet50V2", num_classes=2, image_size=32, channels=3)
    threefold = np.repeat(slices(), 3, axis=3)
    np.testing.assert_array_equal(np.asarray(grey(slices())), np.asarray(colour(threefold)))


def test_resnet_scales_to_its_own_range():
    model = create_model("ResNet50V2", num_classes=2, image_size=32)
    scaled = keras.Model(model.input, model.get_layer("to_unit_range").output)
    black_and_white = np.zeros((1, 32, 32, 1), np.float32)
    black_and_white[:, 16:] = 255
    assert np.unique(np.asarray(scaled(black_and_white))).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_weights_and_names_stay(name):
    """The same seed gives the same weights, in layers of the same names in every build."""
    one, same = (create_model(name, num_classes=3, image_size=32, seed=7) for _ in range(2))
    names = [[layer.name for layer in model.layers if layer.weights] for model in (one, same)]
    assert names[0] == names[1]
    for first, second in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_seed_gives_other_weights():
    one, other = (create_model("ResNet50V2", num_classes=3, image_size=32, seed=seed) for seed in (7, 8))
    kernels = [model.get_layer("logits").get_weights()[0] for model in (one, other)]
    assert not np.allclose(*kernels)


def test_flattened_convnext_computes_what_keras_computes():
    """Sequentials unrolled, grouped convolutions as depthwise ones: the same function."""
    from models.backbones import _flatten

    original = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(64, 64, 3))
    rng = np.random.default_rng(0)
    for weight in original.weights:
        if "layer_scale" in weight.path:  # born as 1e-6, which would hide every block
            weight.assign(rng.normal(size=weight.shape))
    flat = _flatten(original, keep_weights=True)
    expected = np.asarray(original(slices(size=64, channels=3)))
    np.testing.assert_allclose(np.asarray(flat(slices(size=64, channels=3))), expected, atol=1e-4)
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"num_classes": 1}, "at least 2 classes"),
        ({"image_size": 16}, "at least 32"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"dropout": 1.0}, r"share in \[0, 1\)"),
    ],
)
def test_impossible_shapes_are_refused_in_words(options, advice):
    with pytest.raises(ModelShapeError, match=advice):
        create_model("ResNet50V2", **{"num_classes": 2, "image_size": 64} | options)


def test_imagenet_without_network_names_the_ways_out(monkeypatch):
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage.googleapis.com/...: None -- no network")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    monkeypatch.setattr("keras.src.applications.efficientnet_v2.file_utils.get_file", no_network)
    with pytest.raises(
        WeightsDownloadError, match=r"storage.googleapis.*file:PATH.*run:RUN.*phantom.*random"
    ) as raised:
        create_model("EfficientNetV2B0", num_classes=2, image_size=32, weights="imagenet")
    assert "Fetch the file efficientnetv2-b0_notop.h5" in str(raised.value)


@pytest.mark.parametrize("name", SMALL)
def test_the_file_that_a_user_is_told_to_fetch_is_the_one_that_keras_asks_for(name, monkeypatch):
    from models.weights import imagenet_file

    asked = []

    def asks(file_name: str, *args: object, **kwargs: object) -> None:
        asked.append(file_name)
        raise Exception("URL fetch failure")

    for family in ("efficientnet_v2", "convnext", "resnet"):
        monkeypatch.setattr(f"keras.src.applications.{family}.file_utils.get_file", asks)
    with pytest.raises(WeightsDownloadError):
        create_model(name, num_classes=2, image_size=32, weights="imagenet")
    assert asked == [imagenet_file(ARCHITECTURES[name])]
