"""Weights on disk: the same logits after save and load, whole files only, nothing that could run."""

import h5py
import keras
import numpy as np
import pytest

from models import create_model, load_weights, save_weights
from models.errors import WeightsError, WeightsHashError
from models.hashing import sha256_of

SMALL = ("EfficientNetV2B0", "ConvNeXtTiny", "ResNet50V2")
SLICES = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)


def build(name: str = "EfficientNetV2B0", *, seed: int = 0, classes: int = 3, **options):
    return create_model(name, num_classes=classes, image_size=32, seed=seed, **options)


def logits(model) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(SLICES))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model and its weights file."""
    model = build(seed=3)
    path = tmp_path_factory.mktemp("weights") / "best.weights.h5"
    return model, path, save_weights(model, path)


@pytest.mark.parametrize("name", SMALL)
def test_save_and_load_give_the_same_logits(name, tmp_path):
    model, other = build(name, seed=1), build(name, seed=2)
    path = tmp_path / "a.weights.h5"
    digest = save_weights(model, path)
    assert not np.array_equal(logits(model), logits(other))
    load_weights(other, path, sha256=digest)
    np.testing.assert_array_equal(logits(model), logits(other))


def test_half_precision_halves_the_file_and_barely_moves_the_logits(saved, tmp_path):
    model, path, _ = saved
    small = tmp_path / "small.weights.h5"
    digest = save_weights(model, small, half=True)
    assert digest == sha256_of(small)
    assert small.stat().st_size < 0.55 * path.stat().st_size
    other = build(seed=4)
    load_weights(other, small)
    assert all(weight.dtype == "float32" for weight in other.weights)
    np.testing.assert_allclose(logits(other), logits(model), atol=1e-3)


def test_a_file_of_another_hash_is_refused(saved):
    model, path, _ = saved
    with pytest.raises(WeightsHashError, match="replaced or damaged"):
        load_weights(model, path, sha256="0" * 64)


def test_a_failed_write_leaves_the_old_file(saved, tmp_path, monkeypatch):
    model, _, _ = saved
    path = tmp_path / "kept.weights.h5"
    path.write_bytes(b"old")

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.weights.os.fsync", full_disk)
    with pytest.raises(WeightsError, match="No space left"):
        save_weights(model, path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_other_classes_take_the_backbone_and_keep_their_own_head(saved):
    model, path, _ = saved
    two = build(classes=2, seed=9, weights=f"file:{path}")
    for layer in model.layers:
        if layer.weights and layer.name not in ("logits", "head_normalization"):
            for mine, theirs in zip(
                layer.get_weights(), two.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(mine, theirs)
    assert two.get_layer("logits").get_weights()[0].shape == (1280, 2)


def test_the_same_classes_take_the_head_too(saved):
    model, path, _ = saved
    np.testing.assert_array_equal(logits(build(seed=9, weights=f"file:{path}")), logits(model))


def test_the_image_size_may_change(saved):
    model, path, _ = saved
    larger = create_model("EfficientNetV2B0", num_classes=3, image_size=64, weights=f"file:{path}")
    assert all(map(np.array_equal, model.get_weights(), larger.get_weights()))


def test_another_architecture_is_named(saved):
    _, path, _ = saved
    with pytest.raises(WeightsError, match="another model than ResNet50V2"):
        build("ResNet50V2", weights=f"file:{path}")


def test_another_number_of_classes_is_refused_by_a_whole_load(saved):
    _, path, _ = saved
    model = build(classes=2)
    before = logits(model)
    with pytest.raises(WeightsError, match="another number of classes"):
        load_weights(model, path)
    np.testing.assert_array_equal(before, logits(model))


def test_a_cut_file_is_refused(saved, tmp_path):
    model, path, _ = saved
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="cut short"):
        load_weights(model, cut)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "whole model"])
def test_files_that_reach_outside_or_could_run_are_refused(saved, tmp_path, kind):
    model, _, _ = saved
    path = tmp_path / "bad.weights.h5"
    with h5py.File(path, "w") as file:
        if kind == "external link":
            file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            file["layers"] = h5py.SoftLink("/elsewhere")
        elif kind == "external storage":
            file.create_dataset("layers/a", (4,), "f4", external=[("/etc/hostname", 0, 16)])
        else:
            file.attrs["model_config"] = "{}"
    with pytest.raises(WeightsError, match="outside itself|whole model"):
        load_weights(model, path)


@pytest.mark.parametrize(
    ("weights", "advice"),
    [
        ("file:/nowhere/a.weights.h5", "does not exist"),
        ("ImageNet", "none of these: random, imagenet, phantom"),
        ("phantom", "No weights trained on phantoms ship for ConvNeXtXLarge"),
    ],
)
def test_weights_that_cannot_be_had(weights, advice):
    with pytest.raises(WeightsError, match=advice):
        create_model("ConvNeXtXLarge", num_classes=2, image_size=32, weights=weights)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_whole_models_are_never_opened(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"anything")
    with pytest.raises(WeightsError, match="can run code"):
        build(weights=f"file:{path}")


def test_the_file_that_keras_publishes_is_taken(tmp_path):
    """The ImageNet file in Keras's legacy layout, carried to a machine without network."""
    from keras.src.legacy.saving import legacy_h5_format

    original = keras.applications.EfficientNetV2B0(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / "efficientnetv2-b0_notop.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, original)
    model = build(weights=f"file:{path}")
    np.testing.assert_array_equal(
        model.get_layer("stem_conv").get_weights()[0], original.get_layer("stem_conv").get_weights()[0]
    )
    with pytest.raises(WeightsError, match="does not fit ResNet50V2"):
        build("ResNet50V2", weights=f"file:{path}")
