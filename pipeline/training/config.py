"""What a training is told: validated when made, frozen, and stored with what it produced."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from models.registry import MINIMUM_IMAGE_SIZE, find_architecture
from pipeline.preprocessing.default_recipe import default_recipe
from pipeline.training.errors import ConfigError
from pipeline.workspace import Workspace, checked_name

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Augmentation(BaseModel):
    """Random changes of training slices, each drawn evenly from its range.

    Attributes:
        rotation: degrees to either side.
        translation: share of the side, along rows and along columns, to either side.
        zoom: share by which a slice grows or shrinks.
        horizontal_flip: mirror half of the slices. Off by default: the heart lies left, and a network that
            sees mirrored chests can no longer use sides.
    """

    model_config = _FROZEN

    rotation: float = Field(10.0, ge=0, le=180)
    translation: float = Field(0.08, ge=0, le=0.5)
    zoom: float = Field(0.08, ge=0, le=0.5)
    horizontal_flip: bool = False

    @classmethod
    def none(cls) -> Augmentation:
        """Return the augmentation that changes nothing."""
        return cls(rotation=0, translation=0, zoom=0)


class TrainConfig(BaseModel):
    """One training.

    Attributes:
        dataset: the data set's name.
        split: a split's name; None is the data set's newest.
        fold: validate on this fold of a split with folds.
        classes: learn these labels only, in this order; None takes all of the data set.
        recipe: a preset, a saved recipe's name, or a JSON file.
        architecture: a name of `models.registry`.
        weights: `random`, `imagenet`, `phantom`, `file:PATH` or `run:RUN`.
        image_size: side of the network's input, pixels.
        epochs: at most so many.
        patience: epochs without a better `monitor` before it ends; 0 never ends early.
        monitor: validation figure that chooses the best epoch; of equal ones the lower validation loss.
        learning_rate: the highest of the schedule.
        schedule: `cosine` falls to a hundredth over the epochs after `warmup_epochs`; `constant` stays.
        weight_decay: of AdamW.
        label_smoothing: share of each label spread over all classes.
        head_only: leave the backbone as it came.
        dropout: share of pooled features dropped.
        balance: `augment` fills smaller classes with more augmented copies, `weights` weighs their loss,
            `none`.
        augment: of the training part only.
        seed: of first weights, order, augmentation and dropout.
        threads: of the learning library; None leaves it to it.
        deterministic: the same bits on every run with the same threads, a little slower.
        name: of the run; None makes one.
    """

    model_config = _FROZEN

    dataset: str
    split: str | None = None
    fold: int | None = Field(None, ge=0)
    classes: tuple[str, ...] | None = Field(None, min_length=2)
    recipe: str = "hilum"
    architecture: str = "EfficientNetV2B0"
    weights: str = "random"
    image_size: int = Field(224, ge=MINIMUM_IMAGE_SIZE, le=1024)
    batch_size: int = Field(16, ge=1, le=1024)
    epochs: int = Field(30, ge=1, le=10_000)
    patience: int = Field(10, ge=0)
    monitor: Literal["val_auc", "val_loss", "val_accuracy"] = "val_auc"
    learning_rate: float = Field(1e-3, gt=0, lt=10)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    weight_decay: float = Field(1e-4, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    head_only: bool = False
    dropout: float = Field(0.3, ge=0, lt=1)
    balance: Literal["augment", "weights", "none"] = "augment"
    augment: Augmentation = Augmentation()
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int | None = Field(None, ge=1)
    deterministic: bool = False
    name: str | None = None

    @field_validator("architecture")
    @classmethod
    def _known(cls, value: str) -> str:
        return find_architecture(value).name

    @field_validator("name", "dataset")
    @classmethod
    def _nameable(cls, value: str | None) -> str | None:
        return value if value is None else checked_name(value)


def make_config(values: dict[str, Any], *, source: str = "The training configuration") -> TrainConfig:
    """Validate `values`; `source` begins the message of an error.

    Raises:
        ConfigError: a wrong key (the valid ones are named) or a wrong value.
        UnknownArchitectureError, InvalidNameError: see there.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: " + " ".join(_sentence(item) for item in error.errors())) from error


def load_config(path: Path) -> dict[str, Any]:
    """Read a configuration's values from a JSON or TOML file.

    Raises:
        ConfigError: it is missing, or not JSON or TOML, or no table of keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(
            f"The configuration {path} does not exist. Check the path: it names a JSON or TOML file."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(
            f"The configuration {path} cannot be read ({reason}). Name a JSON or TOML file."
        ) from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid {'TOML' if path.suffix.lower() == '.toml' else 'JSON'}: {error}."
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path} holds no keys; a configuration looks like {{"dataset": "demo"}}.')
    return values


def build_config(workspace: Workspace, file: Path | None = None, **options: Any) -> TrainConfig:
    """Merge a configuration file with options, which win, and validate.

    Raises:
        ConfigError: see `make_config` and `load_config`; or no data set is named.
    """
    values = (load_config(file) if file is not None else {}) | options
    values.setdefault("recipe", default_recipe(workspace.recipes))
    if not values.get("dataset"):
        names = sorted(path.name for path in workspace.datasets.iterdir() if path.is_dir())
        raise ConfigError(
            "Say what to train on: `--dataset NAME`. "
            + (f"There are {', '.join(names)}." if names else "There is none yet: index a folder first.")
        )
    return make_config(values, source=str(file) if file is not None else "The training configuration")


def _sentence(item: Any) -> str:
    """Say one validation error for the user."""
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        parents, key = item["loc"][:-1], str(item["loc"][-1])
        valid = (Augmentation if parents == ("augment",) else TrainConfig).model_fields
        return f"there is no key {where!r}.{_guess(key, valid)} The keys are {', '.join(valid)}."
    if item["type"] == "missing":
        return f"{where!r} is missing."
    if item["type"] == "model_type":
        return f"{where!r} cannot be {item['input']!r} (it holds keys of its own)."
    return f"{where!r} cannot be {item['input']!r} ({item['msg'][:1].lower()}{item['msg'][1:]})."


def _guess(key: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(valid), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
