"""What a training will cost, said before it begins. Imports no Keras, so that a page can ask at every change.

Memory is what the forward pass keeps for the backward pass (4 bytes a value), plus weights, gradients and the
optimizer's two moments, plus the learning library and its graph. Time is that of `pace`. Both are estimates,
and say so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.registry import find_architecture
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.devices import gpu_memory
from pipeline.training.errors import ConfigError
from pipeline.training.networks import COSTS, learning_share
from pipeline.training.pace import Speed, epoch_share, pace_of, stage_share
from pipeline.training.stages import stages_of

# Fitted to measured peaks: the share of the counted values that is kept, and the bytes of a step's graph for
# a million values at 224 pixels (a graph grows with layers, not with pixels).
_KEPT = {"EfficientNetV2": 0.97, "ConvNeXt": 1.71, "ResNetV2": 0.56}
_GRAPH_BYTES = {"EfficientNetV2": 16.0e6, "ConvNeXt": 6.5e6, "ResNetV2": 5.8e6}
_LIBRARY_BYTES = 1000e6  # the process with the learning library
_STEP_BYTES = 250e6  # what every graph of a whole step needs
_FORWARD_GRAPH = 0.15  # of a graph's bytes, where nothing is kept for the backward pass
FEATURE_BATCH = 16  # slices at most in a forward pass where features of a frozen backbone are kept
_FORWARD_SHARE = 0.1  # of a layer's values that live at once where nothing is kept for the backward pass
_TRAINED_BYTES = 12  # a learning parameter: gradient, two moments, in float32
# More than they are made of: an average is exchanged and kept with the weights, and the graph of a step that
# may or may not apply the gathered gradients holds both ways, for each of a family's many small layers.
_AVERAGED_BYTES = 16
_GATHERED_BYTES = {"EfficientNetV2": 30, "ConvNeXt": 8, "ResNetV2": 8}
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    Attributes:
        parameters: weights of the network.
        memory: bytes at the peak.
        available: bytes that this machine has free now.
        epoch_seconds: for one epoch of the last stage.
        seconds: for all epochs, if it does not end early, and for what comes around them.
        around_seconds: of it for start-up, building graphs, export and predictions.
        speed: whether an earlier run here did this very work, others here did, or none.
    """

    parameters: int
    memory: int
    available: int
    epoch_seconds: float
    seconds: float
    around_seconds: float
    speed: Speed

    @property
    def measured(self) -> bool:
        """Whether runs on this machine did this very work."""
        return self.speed == "measured"

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
        runs: earlier runs of this workspace, whose speed is taken.
    """
    pace = pace_of(config, runs)
    shares = [stage_share(config, stage, train=train_places, val=val_slices) for stage in stages_of(config)]
    last = epoch_share(config, stages_of(config)[-1], train=train_places, val=val_slices)
    return Estimate(
        parameters=parameters_of(config, classes=classes),
        memory=memory_of(config, classes=classes),
        available=available_memory(),
        epoch_seconds=pace.step * last,
        seconds=pace.step * sum(shares) + pace.around,
        around_seconds=pace.around,
        speed=pace.speed,
    )


def parameters_of(config: TrainConfig, *, classes: int = 3) -> int:
    """Return how many weights the network has."""
    architecture = find_architecture(config.architecture)
    return int(architecture.parameters_millions * 1e6) + classes * (architecture.feature_channels + 1)


def memory_of(config: TrainConfig, *, classes: int = 3) -> int:
    """Return the bytes that a training takes at its peak: process, graph, weights, and what it keeps."""
    architecture = find_architecture(config.architecture)
    parameters = parameters_of(config, classes=classes)
    learning = learning_share(config)
    trained = classes * architecture.feature_channels + parameters * (1 - (1 - learning) ** 2.5)
    copies = _TRAINED_BYTES
    copies += _AVERAGED_BYTES * (config.ema > 0) + _GATHERED_BYTES[architecture.family] * (
        config.accumulate > 1
    )
    graph = _STEP_BYTES + _GRAPH_BYTES[architecture.family] * COSTS[architecture.name][0]
    graph *= max(learning, _FORWARD_GRAPH)
    return int(_LIBRARY_BYTES + graph + 4 * parameters + copies * trained + activations_of(config))


def activations_of(config: TrainConfig) -> int:
    """Return the bytes of layers' values that a step keeps, which grow with batch and image size."""
    architecture = find_architecture(config.architecture)
    an_image = 4e6 * COSTS[architecture.name][0] * (config.image_size / 224) ** 2
    if config.mixed_precision:
        an_image /= 2
    # Blocks near the top are small: their share of the values falls faster than their share of the blocks.
    kept = _KEPT[architecture.family] * learning_share(config) ** 1.5
    kept_features = config.head_only and config.feature_copies > 0
    batch = min(FEATURE_BATCH, config.batch_size) if kept_features else config.batch_size
    return int(an_image * batch * max(kept, _FORWARD_SHARE))


def available_memory() -> int:
    """Return the bytes that a training may take: of the GPU, else of the machine, of its container if less.

    HILUM_MEMORY_GB names less where others need the machine too.

    Raises:
        ConfigError: it names no number.
    """
    gpu = gpu_memory()
    if gpu is not None:
        return min(gpu, _allowed())
    free = min(int(psutil.virtual_memory().available), _allowed())
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return free
    used = sum(int(line.split()[1]) for line in lines if line.startswith("anon "))
    return free if limit == "max" else max(0, min(free, int(limit) - used))


def _allowed() -> int:
    """Return the bytes that HILUM_MEMORY_GB allows."""
    text = os.environ.get("HILUM_MEMORY_GB") or "inf"
    try:
        return int(min(float(text) * 2**30, sys.maxsize))
    except ValueError as error:
        raise ConfigError(
            f"HILUM_MEMORY_GB is a number of gigabytes, for example 8; {text!r} came."
        ) from error
