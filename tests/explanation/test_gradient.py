import numpy as np
import pytest

from pipeline.explanation.methods import METHODS
from tests import families

SLOW = {"score-cam", "smoothgrad"}  # many passes


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name, method in METHODS.items()
        if method.in_worker
    ],
)
def test_every_method_gives_a_map_of_the_slice(method):
    from pipeline.explanation.gradient import gradient_map

    image = families.slices(1)[0]
    values = gradient_map(families.model("ResNet50V2"), image, method=method, class_index=0)
    assert values.shape == (families.SIZE, families.SIZE)
    assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 and values.std() > 0


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", families.FAMILIES)
def test_layer_cam_is_its_closed_form(name):
    """Jiang 2021: cells weighted by their own positive gradient, here V / (h w) everywhere."""
    from scipy.ndimage import zoom

    from pipeline.explanation.closed_form import fold_head
    from pipeline.explanation.gradient import gradient_map

    image = families.slices(1)[0]
    _, _, features = families.outputs(name, image[None])
    weights = np.maximum(fold_head(families.model(name)).weights[:, 1], 0)
    mine = np.maximum(features[0] @ weights, 0) / features[0, ..., 0].size
    theirs = gradient_map(families.model(name), image, method="layer-cam", class_index=1)
    enlarged = zoom(mine, families.SIZE / mine.shape[0], order=1, mode="nearest")
    np.testing.assert_allclose(theirs, _stretched(enlarged), atol=1e-5)


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", families.FAMILIES)
def test_saliency_is_the_gradient_at_the_pixels(name):
    import keras
    import tensorflow

    from pipeline.explanation.gradient import gradient_map

    image = families.slices(1)[0]
    model = families.model(name)
    logits = keras.Model(model.input, model.get_layer("logits").output)
    with tensorflow.GradientTape() as tape:
        pixels = tensorflow.convert_to_tensor(image[None])
        tape.watch(pixels)
        score = logits(pixels, training=False)[0, 2]
    expected = np.abs(np.asarray(tape.gradient(score, pixels)))[0].max(axis=-1)
    theirs = gradient_map(model, image, method="saliency", class_index=2)
    np.testing.assert_allclose(theirs, _stretched(expected), atol=1e-3)


def _stretched(values):
    """Scale to [0, 1] by the map's own range, as tf-keras-vis does."""
    return (values - values.min()) / (np.ptp(values) + 1e-7)
