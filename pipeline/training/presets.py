"""Named recipes of learning: values of a configuration that belong together, to be read and changed.

A preset fills in what a configuration leaves open and nothing else, so that `preset` in a file, an option on
the command line and a field of the page may each change any part of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.training.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """One recipe.

    Attributes:
        sentence: what it does and when to take it.
        values: keys of `config.TrainConfig`; those of `augment` are a dictionary of their own.
    """

    sentence: str
    values: Mapping[str, Any]


_TWO_STAGES: dict[str, Any] = {
    "head_epochs": 5,
    "fine_tune_factor": 0.1,
    "freeze_norm": True,
    "warmup_epochs": 1.0,
    "label_smoothing": 0.05,
    "ema": 0.99,
}
PRESETS: dict[str, Preset] = {
    "standard": Preset(
        "The head first, then all blocks at a tenth of the rate, from ImageNet weights: the usual choice for "
        "some hundreds of patients.",
        _TWO_STAGES | {"weights": "imagenet", "epochs": 40, "patience": 12, "dropout": 0.3, "drop_path": 0.2},
    ),
    "small-machine": Preset(
        "The head first, then the two topmost blocks only, small slices and small batches that are averaged: "
        "for a laptop without a GPU and without network.",
        _TWO_STAGES
        | {
            "architecture": "EfficientNetV2B0",
            "weights": "phantom",
            "image_size": 160,
            "batch_size": 8,
            "accumulate": 2,
            "unfreeze": 2,
            "epochs": 25,
            "patience": 8,
        },
    ),
    "from-scratch": Preset(
        "All weights at once from random ones, small slices before large ones: for data unlike photographs, "
        "and a lot of it.",
        {
            "weights": "random",
            "sizes": [128, 176],
            "image_size": 224,
            "epochs": 120,
            "patience": 30,
            "warmup_epochs": 5.0,
            "learning_rate": 1e-3,
            "weight_decay": 0.05,
            "label_smoothing": 0.1,
            "ema": 0.99,
            "drop_path": 0.1,
            "augment": {"rotation": 15.0, "translation": 0.1, "zoom": 0.15},
        },
    ),
    "long": Preset(
        "Several hundred epochs of a larger EfficientNetV2 on growing slices, until it improves no more: for "
        "a GPU and a weekend.",
        _TWO_STAGES
        | {
            "architecture": "EfficientNetV2S",
            "weights": "imagenet",
            "sizes": [224, 300],
            "image_size": 384,
            "batch_size": 16,
            "accumulate": 2,
            "mixed_precision": True,
            "epochs": 300,
            "head_epochs": 10,
            "patience": 60,
            "warmup_epochs": 5.0,
            "weight_decay": 0.01,
            "label_smoothing": 0.1,
            "ema": 0.999,
            "drop_path": 0.3,
            "dropout": 0.4,
        },
    ),
    "notebook": Preset(
        "A notebook's way, for comparison: the head alone on ImageNet features, Adam at one fixed rate, "
        "stopped by the validation loss, slices rotated and shifted only.",
        {
            "recipe": "notebook",
            "weights": "imagenet",
            "image_size": 512,
            "head_only": True,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "schedule": "constant",
            "warmup_epochs": 0.0,
            "clip_norm": 0.0,
            "drop_path": 0.0,
            "epochs": 30,
            "patience": 5,
            "monitor": "val_loss",
            "augment": {"rotation": 15.0, "translation": 0.1, "zoom": 0.0},
        },
    ),
}


def find_preset(name: str) -> Preset:
    """Return the preset called `name`.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        guess = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"No preset is called {name!r}.{guess} There are: {', '.join(PRESETS)}.")
    return PRESETS[name]


def with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with those of the preset that they name where they give none themselves.

    What the preset says of stages bends to what is given: its sizes stay below the image size, its head
    epochs take a quarter of fewer epochs.

    >>> few = with_preset({"preset": "long", "epochs": 8, "image_size": 256})
    >>> few["epochs"], few["head_epochs"], few["sizes"]
    (8, 2, [224])
    """
    if values.get("preset") is None:
        return values
    preset = dict(find_preset(str(values["preset"])).values)
    epochs = values.get("epochs", preset["epochs"])
    if "sizes" in preset and isinstance(values.get("image_size"), int):
        preset["sizes"] = [size for size in preset["sizes"] if size < values["image_size"]]
    if values.get("head_only"):
        preset["head_epochs"] = 0
    elif "head_epochs" in preset and isinstance(epochs, int) and preset["head_epochs"] >= epochs:
        preset["head_epochs"] = epochs // 4
    merged = {**preset, **values}
    if isinstance(values.get("augment"), dict):
        merged["augment"] = {**preset.get("augment", {}), **values["augment"]}
    return merged
