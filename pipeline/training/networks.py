"""What the networks are made of, as far as costs go: counted on the built graphs, so that none is built."""

from __future__ import annotations

from models.registry import find_architecture
from pipeline.training.config import TrainConfig

# At 224 pixels: values that all layers put out (millions), multiplications (billions).
COSTS = {
    "EfficientNetV2B0": (16.3, 0.72),
    "EfficientNetV2B1": (21.5, 1.01),
    "EfficientNetV2B2": (23.3, 1.17),
    "EfficientNetV2B3": (29.0, 1.61),
    "EfficientNetV2S": (42.1, 2.85),
    "EfficientNetV2M": (68.3, 5.36),
    "EfficientNetV2L": (120.1, 12.23),
    "ConvNeXtTiny": (29.7, 4.45),
    "ConvNeXtSmall": (47.3, 8.68),
    "ConvNeXtBase": (63.0, 15.35),
    "ConvNeXtLarge": (94.3, 34.36),
    "ConvNeXtXLarge": (125.6, 60.92),
    "ResNet50V2": (31.7, 3.48),
    "ResNet101V2": (51.6, 7.19),
    "ResNet152V2": (76.1, 10.90),
}
BLOCKS = {
    "EfficientNetV2B0": 21,
    "EfficientNetV2B1": 27,
    "EfficientNetV2B2": 28,
    "EfficientNetV2B3": 32,
    "EfficientNetV2S": 40,
    "EfficientNetV2M": 57,
    "EfficientNetV2L": 79,
    "ConvNeXtTiny": 18,
    "ConvNeXtSmall": 36,
    "ConvNeXtBase": 36,
    "ConvNeXtLarge": 36,
    "ConvNeXtXLarge": 36,
    "ResNet50V2": 16,
    "ResNet101V2": 33,
    "ResNet152V2": 50,
}


def learning_share(config: TrainConfig) -> float:
    """Return which share of the blocks learns."""
    if config.head_only:
        return 0.0
    blocks = BLOCKS[find_architecture(config.architecture).name]
    return 1.0 if config.unfreeze == "all" else min(1.0, config.unfreeze / blocks)
