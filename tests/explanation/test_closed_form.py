"""The closed form equals the gradient, adds up to the margin, and equals tf-keras-vis."""

import cv2
import numpy as np
import pytest

from pipeline.explanation.closed_form import CamWeights, closed_form_cam, fold_head, grad_cam, scaled
from tests import families


def hand_made() -> tuple[np.ndarray, CamWeights]:
    """Two cells, two features, three classes: small enough to add up by hand."""
    features = np.array([[[1.0, 0.0], [0.0, 2.0]]], np.float32)  # (1, 2, 2)
    weights = np.array([[2.0, 0.0, -2.0], [0.0, 4.0, 0.0]], np.float32)
    return features, CamWeights(weights, np.array([0.5, 0.0, -0.5], np.float32))


def test_a_map_that_can_be_added_up_by_hand():
    features, cam = hand_made()
    heatmap = closed_form_cam(features, cam, class_index=0)
    # Contrast (1, -1/2, -1/2): feature 0 weighs 2 + 1 = 3, feature 1 weighs -2; over two cells.
    np.testing.assert_allclose(heatmap.values, [[1.5, -2.0]])
    assert heatmap.constant == pytest.approx(0.5 + 0.25)
    assert heatmap.margin == pytest.approx(1.5 - 2.0 + 0.75)
    np.testing.assert_allclose(heatmap.scaled, [[1.0, 0.0]])


def test_maps_of_two_classes_are_opposite():
    features, cam = hand_made()
    two = CamWeights(cam.weights[:, :2], cam.constants[:2])
    one, other = (closed_form_cam(features, two, class_index=index) for index in (0, 1))
    np.testing.assert_allclose(one.values, -other.values)
    assert one.margin == pytest.approx(-other.margin)


def test_the_difference_of_two_logits_is_added_up_too():
    features, cam = hand_made()
    heatmap = closed_form_cam(features, cam, class_index=0, rival=1)
    # Logit 0 minus logit 1: feature 0 weighs 2 - 0, feature 1 weighs 0 - 4; over two cells.
    np.testing.assert_allclose(heatmap.values, [[1.0, -4.0]])
    assert heatmap.margin == pytest.approx(1.0 - 4.0 + 0.5) and heatmap.rival == 1
    turned = closed_form_cam(features, cam, class_index=1, rival=0)
    np.testing.assert_allclose(turned.values, -heatmap.values)


def test_a_map_without_support_stays_empty():
    assert not scaled(np.array([[-1.0, -2.0]])).any()


def test_inputs_are_not_changed():
    features, cam = hand_made()
    before = features.copy()
    closed_form_cam(features, cam, class_index=1)
    np.testing.assert_array_equal(features, before)


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("place", range(3))
def test_heatmap_and_constant_sum_to_the_margin(name, place):
    logits, _, features = families.outputs(name, families.slices())
    cam = fold_head(families.model(name))
    for row, feature_map in zip(logits, features, strict=True):
        heatmap = closed_form_cam(feature_map, cam, class_index=place)
        margin = row[place] - np.delete(row, place).mean()
        assert heatmap.values.sum() + heatmap.constant == pytest.approx(
            float(margin), abs=2e-5 * float(np.abs(row).max())
        )


@pytest.mark.parametrize("name", families.FAMILIES)
def test_equals_grad_cam_by_automatic_differentiation(name):
    """Selvaraju 2017: weights are the pooled gradients of the logit; the map is their ReLU'd sum."""
    import keras
    import tensorflow

    model = families.model(name)
    _, _, features = families.outputs(name, families.slices())
    x = feature_input = keras.Input(features.shape[1:])
    for layer in ("pooled", "head_normalization", "head_dropout", "logits"):
        x = model.get_layer(layer)(x)
    head = keras.Model(feature_input, x)
    cam = fold_head(model)
    peaks = []
    for place in range(cam.classes):
        with tensorflow.GradientTape() as tape:
            maps = tensorflow.convert_to_tensor(features)
            tape.watch(maps)
            score = head(maps, training=False)[:, place]
        gradients = np.asarray(tape.gradient(score, maps))
        expected = np.maximum(np.einsum("nhwk,nk->nhw", features, gradients.mean(axis=(1, 2))), 0)
        found = np.stack([grad_cam(each, cam, class_index=place) for each in features])
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(expected.max(), 1e-3))
        peaks.append(expected.max())
    assert max(peaks) > 0


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", families.FAMILIES)
def test_equals_tf_keras_vis(name):
    """Gradcam of tf-keras-vis, which scales to [0, 1] and enlarges bilinearly from corner to corner."""
    from scipy.ndimage import zoom

    from pipeline.explanation.gradient import gradient_map

    image = families.slices(1)[0]
    _, _, features = families.outputs(name, image[None])
    mine = grad_cam(features[0], fold_head(families.model(name)), class_index=1)
    enlarged = zoom(mine, families.SIZE / mine.shape[0], order=1, mode="nearest")
    low, high = enlarged.min(), enlarged.max()
    theirs = gradient_map(families.model(name), image, method="grad-cam", class_index=1)
    np.testing.assert_allclose(theirs, (enlarged - low) / (high - low + 1e-7), atol=2e-6)
    assert cv2.minMaxLoc(theirs)[1] > 0.9
