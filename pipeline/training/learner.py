"""One model through the stages of its training: what of it learns, at which size, with which optimizer."""

from __future__ import annotations

from typing import Any

import keras

from models.blocks import top_layers
from models.registry import HEAD_LAYERS
from pipeline.training.config import TrainConfig
from pipeline.training.ema import part_from_average
from pipeline.training.schedule import build_optimizer
from pipeline.training.stages import Stage


class Learner:
    """The model of a training as each of its stages fits it.

    What does not learn runs as in prediction: statistics stay, and no path is dropped.

    Attributes:
        model: at the size that is validated and kept. Models of other sizes share its layers.
    """

    def __init__(self, model: Any, config: TrainConfig, *, steps_per_epoch: int) -> None:
        self.model = model
        self._config = config
        self._steps = steps_per_epoch
        self._learns: str | None = None
        self._optimizer: Any = None
        self._paths = {
            layer.name: layer.rate
            for layer in model.layers
            if isinstance(layer, keras.layers.Dropout) and layer.name not in HEAD_LAYERS
        }

    def enter(self, stage: Stage) -> Any:
        """Return the model compiled for `stage`; the optimizer goes on where the same weights do."""
        if stage.learns != self._learns:
            self._choose(stage.learns)
            self._optimizer = build_optimizer(self._config, stage.learns, steps_per_epoch=self._steps)
            # Variables that Keras would make while it traces the first step make it trace that step twice.
            self._optimizer.build(self.model.trainable_variables)
            self._learns = stage.learns
        fitted = resized(self.model, stage.image_size)
        fitted.compile(
            optimizer=self._optimizer,
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=self._config.label_smoothing),
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        )
        part_from_average(fitted)  # the fit before this ended with the average in their place
        return fitted

    def _choose(self, learns: str) -> None:
        """Set what learns, and with it where paths are dropped: Keras looks when it traces the first step."""
        config = self._config
        backbone = [layer for layer in self.model.layers if layer.name not in HEAD_LAYERS]
        chosen = {layer.name for layer in backbone}
        if learns == "head":
            chosen = set()
        elif config.unfreeze != "all":
            chosen = top_layers(self.model, config.unfreeze)
        for layer in backbone:
            still = config.freeze_norm and isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = layer.name in chosen and not still
            if layer.name in self._paths:
                layer.rate = self._paths[layer.name] if layer.name in chosen else 0.0


def resized(model: Any, image_size: int) -> Any:
    """Return `model` for slices of another size: another graph over the same layers and weights."""
    _, size, _, channels = model.input_shape
    if image_size == size:
        return model
    image = keras.Input((image_size, image_size, channels), name="image", dtype="float32")
    return keras.models.clone_model(model, input_tensors=image, clone_function=lambda layer: layer)
