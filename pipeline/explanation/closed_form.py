"""Grad-CAM without a gradient, for a head of pooling, batch normalisation and a dense layer.

Once trained, that head is affine in the feature map A (h, w, k):

    logit_c = a_c + sum over cells (i, j) of  sum_k V_kc A_ijk / (h w)
    s_k = gamma_k / sqrt(var_k + eps)       V_kc = W_kc s_k       a_c = b_c + sum_k W_kc (beta_k - s_k mean_k)

so d logit_c / d A_ijk = V_kc / (h w) everywhere: the weights that Grad-CAM (Selvaraju et al., ICCV 2017,
eq. 1) finds by backpropagation, and ReLU(sum_k V_kc A_ijk / (h w)) is its map (eq. 2), exactly. Nothing
needs to be differentiated, and before the ReLU the map is an account: its cells and its constant add up to
the logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CamWeights:
    """The head of a model, folded into one affine map.

    Attributes:
        weights: float32 (k, c), V above.
        constants: float32 (c,), a above.
    """

    weights: np.ndarray
    constants: np.ndarray

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.weights.shape[1])


@dataclass(frozen=True)
class Heatmap:
    """What each cell of the feature map adds to one class's margin over the others, or over its rival.

    Attributes:
        values: float32 (h, w), signed, in units of the logit margin. `values.sum() + constant == margin`.
        constant: what the model says of an empty feature map, in the same units.
        margin: the class's logit minus the mean of the other classes' logits, or minus the rival's.
        class_index: whose margin.
        rival: over which class; None is the mean of all others.
    """

    values: np.ndarray
    constant: float
    margin: float
    class_index: int
    rival: int | None = None

    @property
    def scaled(self) -> np.ndarray:
        """The positive part over its own maximum, float32 (h, w) in [0, 1]; it hides the map's strength."""
        return scaled(self.values)


def scaled(values: np.ndarray) -> np.ndarray:
    """Return the positive part of a map over its maximum, float32 in [0, 1]; all zero where nothing is
    positive.

    >>> scaled(np.array([[-1.0, 2.0], [4.0, 0.0]])).tolist()
    [[0.0, 0.5], [1.0, 0.0]]
    """
    positive = np.maximum(values, 0).astype(np.float32)
    peak = positive.max(initial=0.0)
    return positive / peak if peak > 0 else positive


def fold_head(model: Any) -> CamWeights:
    """Read a trained Keras model's head (layers `head_normalization` and `logits`) as one affine map."""
    normalization, logits = model.get_layer("head_normalization"), model.get_layer("logits")
    gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in normalization.get_weights())
    kernel, bias = (np.asarray(value, np.float64) for value in logits.get_weights())
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return CamWeights(
        weights=(kernel * scale[:, None]).astype(np.float32),
        constants=(bias + (beta - scale * mean) @ kernel).astype(np.float32),
    )


def closed_form_cam(
    features: np.ndarray, cam: CamWeights, *, class_index: int, rival: int | None = None
) -> Heatmap:
    """Say what each cell adds to the margin of a class over the mean of the others, or over one rival.

    Args:
        features: float (h, w, k), the feature map of one slice.
        cam: the folded head.
        class_index: the class that is explained.
        rival: the class it is set against; None is the mean of all others.

    Returns:
        The signed heatmap, (h, w).
    """
    contrast = margin_contrast(cam.classes, class_index, rival=rival)
    values = _cells(features, cam.weights @ contrast)
    constant = float(cam.constants @ contrast)
    return Heatmap(
        values=values,
        constant=constant,
        margin=float(values.sum(dtype=np.float64)) + constant,
        class_index=class_index,
        rival=rival,
    )


def grad_cam(features: np.ndarray, cam: CamWeights, *, class_index: int) -> np.ndarray:
    """Return the usual Grad-CAM of a class's logit, ReLU(...), float32 (h, w): for comparison with others.

    Unlike the heatmap it knows nothing of the other classes: what speaks for all of them shows too.
    """
    return np.maximum(_cells(features, cam.weights[:, class_index]), 0)


def margin_contrast(classes: int, class_index: int, *, rival: int | None = None) -> np.ndarray:
    """Return the weights of the logits in a margin, float32 (c,): `logits @ contrast` is the margin.

    +1 at the class, and -1 at its rival or -1/(c-1) at all others.

    >>> margin_contrast(3, 0).tolist(), margin_contrast(3, 0, rival=2).tolist()
    ([1.0, -0.5, -0.5], [1.0, 0.0, -1.0])
    """
    if rival == class_index:
        raise ValueError(f"A class has no margin over itself; received class and rival {class_index}.")
    contrast = np.full(classes, -1.0 / (classes - 1) if rival is None else 0.0, np.float32)
    contrast[class_index] = 1.0
    if rival is not None:
        contrast[rival] = -1.0
    return contrast


def _cells(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    rows, columns = features.shape[:2]
    return (features @ weights / np.float32(rows * columns)).astype(np.float32)
