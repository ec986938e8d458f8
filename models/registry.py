"""Which classifiers there are. Imports no Keras, so that a page can list them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from models.errors import UnknownArchitectureError

# What `models.head` puts on every backbone, from the feature map on.
HEAD_LAYERS = ("pooled", "head_normalization", "head_dropout", "logits", "probabilities")
MINIMUM_IMAGE_SIZE = 32  # all backbones halve the image five times


@dataclass(frozen=True)
class Architecture:
    """One backbone of `keras.applications`.

    Attributes:
        name: Keras's own name, a function of `keras.applications`.
        family: `EfficientNetV2`, `ConvNeXt` or `ResNetV2`.
        native_size: side in pixels that it was trained at on ImageNet.
        parameters_millions: of the backbone without its ImageNet classifier.
        feature_channels: channels of its last feature map.
    """

    name: str
    family: str
    native_size: int
    parameters_millions: float
    feature_channels: int


_ROWS = (
    Architecture("EfficientNetV2B0", "EfficientNetV2", 224, 5.9, 1280),
    Architecture("EfficientNetV2B1", "EfficientNetV2", 240, 6.9, 1280),
    Architecture("EfficientNetV2B2", "EfficientNetV2", 260, 8.8, 1408),
    Architecture("EfficientNetV2B3", "EfficientNetV2", 300, 12.9, 1536),
    Architecture("EfficientNetV2S", "EfficientNetV2", 384, 20.3, 1280),
    Architecture("EfficientNetV2M", "EfficientNetV2", 480, 53.2, 1280),
    Architecture("EfficientNetV2L", "EfficientNetV2", 480, 117.7, 1280),
    Architecture("ConvNeXtTiny", "ConvNeXt", 224, 27.8, 768),
    Architecture("ConvNeXtSmall", "ConvNeXt", 224, 49.5, 768),
    Architecture("ConvNeXtBase", "ConvNeXt", 224, 87.6, 1024),
    Architecture("ConvNeXtLarge", "ConvNeXt", 224, 196.2, 1536),
    Architecture("ConvNeXtXLarge", "ConvNeXt", 224, 348.1, 2048),
    Architecture("ResNet50V2", "ResNetV2", 224, 23.6, 2048),
    Architecture("ResNet101V2", "ResNetV2", 224, 42.6, 2048),
    Architecture("ResNet152V2", "ResNetV2", 224, 58.3, 2048),
)
ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in _ROWS}


def find_architecture(name: str) -> Architecture:
    """Return the architecture called `name`, upper and lower case being alike.

    Raises:
        UnknownArchitectureError: there is none; the message lists those there are.

    >>> find_architecture("resnet50v2").family
    'ResNetV2'
    """
    by_lower = {known.lower(): row for known, row in ARCHITECTURES.items()}
    found = by_lower.get(name.lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), by_lower, n=1)
        guess = f" Did you mean {by_lower[near[0]].name}?" if near else ""
        raise UnknownArchitectureError(
            f"No architecture is called {name!r}.{guess} There are: {', '.join(ARCHITECTURES)}."
        )
    return found
