"""What a training will cost, said before it begins. Imports no Keras, so that a page can ask at every change.

Memory is what the forward pass keeps for the backward pass (4 bytes a value), plus weights, gradients and the
optimizer's two moments, plus the learning library and its graph. Time is multiplications over this machine's
speed: that of earlier runs here where there are some, else of a two-core reference. Both are estimates, and
    say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from models.registry import find_architecture
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig

# At 224 pixels: values that all layers put out (millions), multiplications (billions), counted on
# the built graphs.
_COSTS = {
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
# Fitted to measured peaks: the share of the counted values that is kept, and the bytes of a step's graph for
# a million values at 224 pixels (a graph grows with layers, not with pixels).
_KEPT = {"EfficientNetV2": 0.97, "ConvNeXt": 1.71, "ResNetV2": 0.56}
_GRAPH_BYTES = {"EfficientNetV2": 13.1e6, "ConvNeXt": 6.5e6, "ResNetV2": 5.8e6}
_LIBRARY_BYTES = 985e6  # the process with the learning library, and what every graph needs
_BYTES_A_PARAMETER = 16  # float32: weight, gradient, two moments
# Seconds for a billion multiplications, forward and back, on the two-core reference.
_SECONDS_A_BILLION = {"EfficientNetV2": 0.08, "ConvNeXt": 0.08, "ResNetV2": 0.045}
_VALIDATION_SHARE = 0.33  # a forward pass alone, of a training step
_OVERHEAD = 1.02  # batches, logging, checkpoints


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    Attributes:
        parameters: weights of the network.
        memory: bytes at the peak.
        available: bytes that this machine has free now.
        epoch_seconds: for one epoch.
        seconds: for all epochs, if it does not end early.
        measured: whether the time comes from runs on this machine.
    """

    parameters: int
    memory: int
    available: int
    epoch_seconds: float
    seconds: float
    measured: bool

    @property
    def fits(self) -> bool:
        """Whether the memory is likely to do."""
        return self.memory < self.available


def estimate_training(
    config: TrainConfig, *, classes: int, train_places: int, val_slices: int, runs: Iterable[RunInfo] = ()
) -> Estimate:
    """Estimate memory and time.

    Args:
        classes: how many.
        train_places: slices of an epoch, augmented copies included (`order.epoch_length`).
        runs: earlier runs of this workspace, whose speed is taken where architecture and head fit.
    """
    architecture = find_architecture(config.architecture)
    values, billions = _COSTS[architecture.name]
    area = (config.image_size / 224) ** 2
    parameters = int(architecture.parameters_millions * 1e6) + classes * (architecture.feature_channels + 1)
    trained = classes * architecture.feature_channels if config.head_only else parameters
    kept = values * 1e6 * area * 4 * _KEPT[architecture.family]
    if config.head_only:
        kept *= 0.25  # nothing is kept of a frozen backbone but what two neighbouring layers need
    graph = _LIBRARY_BYTES + _GRAPH_BYTES[architecture.family] * values
    memory = graph + 4 * parameters + (_BYTES_A_PARAMETER - 4) * trained + kept * config.batch_size
    rate = measured_rate(config, runs)
    an_image = 1 / rate if rate else billions * area * _SECONDS_A_BILLION[architecture.family]
    if config.head_only and not rate:
        an_image *= _VALIDATION_SHARE
    epoch = _OVERHEAD * an_image * (train_places + _VALIDATION_SHARE * val_slices)
    return Estimate(
        parameters=parameters,
        memory=int(memory),
        available=int(psutil.virtual_memory().available),
        epoch_seconds=epoch,
        seconds=epoch * config.epochs,
        measured=rate is not None,
    )


def measured_rate(config: TrainConfig, runs: Iterable[RunInfo]) -> float | None:
    """Return the images a second of the newest run that did the same work, scaled to this image size."""
    for run in runs:
        rate = run.metrics.get("images_per_second", 0.0)
        same = run.params.get("architecture") == config.architecture
        if rate > 0 and same and run.params.get("head_only") == str(config.head_only):
            return float(rate * (int(run.params["image_size"]) / config.image_size) ** 2)
    return None
