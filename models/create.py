"""Build a classifier by name."""

from __future__ import annotations

from typing import Any

import keras

from models.backbones import build_backbone, precision, seeded
from models.errors import ModelShapeError, WeightsDownloadError, WeightsError
from models.head import build_head
from models.registry import MINIMUM_IMAGE_SIZE, Architecture, find_architecture
from models.weights import KERAS_FOLDER, imagenet_file, load_backbone_weights, resolve_weights


def create_model(
    name: str,
    *,
    num_classes: int,
    image_size: int,
    channels: int = 1,
    dropout: float = 0.3,
    weights: str = "random",
    seed: int = 0,
    drop_path: float | None = None,
    mixed_precision: bool = False,
) -> Any:
    """Build a classifier: one flat functional graph with layers `features`, `logits` and `probabilities`.

    Args:
        name: an architecture of `models.registry`.
        num_classes: at least 2.
        image_size: side of the square input in pixels, at least 32.
        channels: 1 or 3.
        dropout: share of the pooled features dropped in training, in [0, 1).
        weights: `random`; `imagenet` (downloaded by Keras, into the backbone); `phantom` (the backbone that
            ships with Hilum); `file:PATH` (weights only: the head too where it has as many classes).
        seed: of the random weights and of dropout.
        drop_path: how often in training the last block is left out for a slice, earlier ones less often in
            proportion to their depth, in [0, 1); None is Keras's own (0.2 in EfficientNetV2, else 0).
            ResNetV2 has none and takes no notice.
        mixed_precision: compute in bfloat16 up to the logits; weights stay float32.

    Returns:
        keras.Model: float32 (batch, image_size, image_size, channels) in [0, 255] -> probabilities float32
        (batch, num_classes).

    Raises:
        UnknownArchitectureError, ModelShapeError, WeightsError: what came, what was expected, what to do.
    """
    architecture = find_architecture(name)
    _check_shape(num_classes=num_classes, image_size=image_size, channels=channels, dropout=dropout)
    source = resolve_weights(weights, architecture)
    with seeded(seed), precision("mixed_bfloat16" if mixed_precision else "float32"):
        backbone = _backbone(architecture, image_size, channels, source.for_keras, drop_path)
        outputs = build_head(backbone.output, num_classes=num_classes, dropout=dropout)
        model = keras.Model(backbone.inputs[0], outputs, name=architecture.name)
    if source.path is not None:
        load_backbone_weights(model, source.path, with_head=source.with_head)
    return model


def _backbone(
    architecture: Architecture, image_size: int, channels: int, weights: str | None, drop_path: float | None
) -> Any:
    try:
        return build_backbone(
            architecture, image_size=image_size, channels=channels, weights=weights, drop_path=drop_path
        )
    except Exception as error:
        if weights is None:
            raise
        if weights != "imagenet":
            raise WeightsError(
                f"{weights} does not fit {architecture.name} ({_first_line(error)}). Give the file that "
                "Keras publishes for this architecture."
            ) from error
        # Keras's downloader raises a bare Exception with the URL and the reason.
        raise WeightsDownloadError(
            f"The ImageNet weights of {architecture.name} could not be downloaded ({_first_line(error)}). "
            f"Fetch the file {imagenet_file(architecture)} on a machine with network (the address stands in "
            f"the brackets) and put it into {KERAS_FOLDER}, or give its path (file:PATH). Or start from "
            "another run's weights (run:RUN), from those trained on phantoms (phantom), or from random ones "
            "(random)."
        ) from error


def _check_shape(*, num_classes: int, image_size: int, channels: int, dropout: float) -> None:
    if num_classes < 2:
        raise ModelShapeError(f"A classifier needs at least 2 classes; {num_classes} came.")
    if image_size < MINIMUM_IMAGE_SIZE:
        raise ModelShapeError(
            f"An image size of {image_size} is too small: the backbones halve it five times, so it must be "
            f"at "
            f"least {MINIMUM_IMAGE_SIZE}; 224 to 512 is usual."
        )
    if channels not in (1, 3):
        raise ModelShapeError(f"A model takes 1 or 3 channels; {channels} came.")
    if not 0.0 <= dropout < 1.0:
        raise ModelShapeError(f"Dropout is a share in [0, 1); {dropout} came.")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
