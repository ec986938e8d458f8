"""Maps that need the Keras model, through tf-keras-vis. Loads TensorFlow: only the worker imports it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.scores import CategoricalScore

FASTER_FEATURES = 32
SMOOTH_SAMPLES = 16
SMOOTH_NOISE = 0.1  # standard deviation over the slice's range


def gradient_map(model: Any, image: np.ndarray, *, method: str, class_index: int) -> np.ndarray:
    """Compute a map of one slice.

    Args:
        model: from `models.create_model`.
        image: float32 (size, size, channels) in [0, 255].
        method: a name of `pipeline.explanation.methods` (and `grad-cam`, to compare with the closed form).
        class_index: whose logit is explained.

    Returns:
        float32 (size, size), scaled to [0, 1] by the image's own range, as tf-keras-vis does.
    """
    scores = keras.Model(model.inputs[0], model.get_layer("logits").output)
    found = _CALLS[method](scores, CategoricalScore([class_index]), image[None])
    return np.asarray(found, np.float32)[0]


def _cam(kind: Any, **options: Any) -> Callable[[Any, Any, np.ndarray], Any]:
    def call(model: Any, score: Any, batch: np.ndarray) -> Any:
        # Always name the layer: left to itself it takes the last convolution, in ConvNeXt one inside a block.
        return kind(model, clone=False)(
            score, batch, penultimate_layer="features", seek_penultimate_conv_layer=False, **options
        )

    return call


def _saliency(**options: Any) -> Callable[[Any, Any, np.ndarray], Any]:
    return lambda model, score, batch: Saliency(model, clone=False)(score, batch, **options)


_CALLS: dict[str, Callable[[Any, Any, np.ndarray], Any]] = {
    "grad-cam": _cam(Gradcam),
    "grad-cam++": _cam(GradcamPlusPlus),
    "layer-cam": _cam(Layercam),
    "score-cam": _cam(Scorecam, batch_size=8),
    "faster-score-cam": _cam(Scorecam, batch_size=8, max_N=FASTER_FEATURES),
    "saliency": _saliency(),
    "smoothgrad": _saliency(smooth_samples=SMOOTH_SAMPLES, smooth_noise=SMOOTH_NOISE),
}
