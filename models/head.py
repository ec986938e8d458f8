"""The top of every classifier: pooling, normalisation, dropout, logits, probabilities.

    features (h, w, k) -> mean over (h, w) -> batch normalisation -> dropout -> logits -> softmax

Pooling, normalisation and the dense layer are affine once trained, which is what lets a class activation map
be
written in closed form (`pipeline.explanation.closed_form`).
"""

from __future__ import annotations

from typing import Any

import keras

# Keras's default of 0.99 needs several hundred steps before validation sees the statistics of training; on
# the few hundred slices that one hospital has, that is most of a run.
NORMALIZATION_MOMENTUM = 0.9


def build_head(features: Any, *, num_classes: int, dropout: float) -> Any:
    """Put the classifier on a feature map.

    Args:
        features: Keras tensor (batch, h, w, k).
        num_classes: number of classes, at least two.
        dropout: share of pooled features dropped in training, in [0, 1).

    Returns:
        Keras tensor (batch, num_classes), float32, rows summing to one; the layer before it is `logits`.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    x = keras.layers.BatchNormalization(momentum=NORMALIZATION_MOMENTUM, name="head_normalization")(x)
    x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    # float32 under any mixed-precision policy: a softmax over float16 logits loses its small probabilities.
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
