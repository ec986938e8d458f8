"""What a training is told: validated when made, frozen, and stored with what it produced."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.registry import MINIMUM_IMAGE_SIZE, find_architecture
from pipeline.preprocessing.default_recipe import default_recipe
from pipeline.training.errors import ConfigError
from pipeline.training.presets import PRESETS, with_preset
from pipeline.workspace import Workspace, checked_name

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Augmentation(BaseModel):
    """Random changes of training slices, each drawn evenly from its range.

    Attributes:
        rotation: degrees to either side.
        translation: share of the side, along rows and along columns, to either side.
        zoom: share by which a slice grows or shrinks.
        shear: degrees by which rows lean to either side.
        brightness: share of the grey range by which the window's centre moves, up or down.
        contrast: share by which the window narrows or widens.
        gamma: share by which the exponent over greys grows or shrinks.
        noise: highest standard deviation of noise, as a share of the grey range.
        blur: highest standard deviation of a Gaussian blur, in pixels of the network's input.
        cutout: side of the largest square that is blanked, as a share of the slice's side.
        horizontal_flip: mirror half of the slices. Off by default: the heart lies left, and a network that
            sees mirrored chests can no longer use sides.
    """

    model_config = _FROZEN

    rotation: float = Field(10.0, ge=0, le=180)
    translation: float = Field(0.08, ge=0, le=0.5)
    zoom: float = Field(0.08, ge=0, le=0.5)
    shear: float = Field(0.0, ge=0, le=30)
    brightness: float = Field(0.0, ge=0, le=0.5)
    contrast: float = Field(0.0, ge=0, le=1)
    gamma: float = Field(0.0, ge=0, le=1)
    noise: float = Field(0.0, ge=0, le=0.2)
    blur: float = Field(0.0, ge=0, le=5)
    cutout: float = Field(0.0, ge=0, le=0.5)
    horizontal_flip: bool = False

    @classmethod
    def none(cls) -> Augmentation:
        """Return the augmentation that changes nothing."""
        return cls(rotation=0, translation=0, zoom=0)

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return self == self.none()

    @property
    def changes_greys(self) -> bool:
        """Whether it changes more than where things lie."""
        return any((self.brightness, self.contrast, self.gamma, self.noise, self.blur, self.cutout))


class TrainConfig(BaseModel):
    """One training.

    It has one stage, or two: first the head alone for `head_epochs`, then backbone and head. What is left at
    its default leaves a step out, so that a configuration of an earlier version means what it meant.

    Attributes:
        dataset: the data set's name.
        split: a split's name; None is the data set's newest.
        fold: validate on this fold of a split with folds.
        classes: learn these labels only, in this order; None takes all of the data set.
        recipe: a preset, a saved recipe's name, or a JSON file.
        architecture: a name of `models.registry`.
        weights: `random`, `imagenet`, `phantom`, `file:PATH` or `run:RUN`.
        weights_sha256: of the file that `weights` names, written down when the run is made and checked when
            the file is read.
        image_size: side of the network's input, pixels.
        sizes: smaller sizes that the backbone learns at first, rising; each gets as many epochs as
            `image_size` itself. Validation is at `image_size` throughout.
        epochs: at most so many.
        patience: epochs without a better `monitor` before it ends; 0 never ends early. Counted in the last
            stage, at the full size.
        monitor: validation figure that chooses the best epoch; of equal ones the lower validation loss.
        head_epochs: epochs of the first stage, in which the backbone stays as it came.
        unfreeze: what learns beside the head after that: `all`, or so many of the topmost blocks.
        fine_tune_factor: the second stage's learning rate as a share of `learning_rate`.
        freeze_norm: the backbone's batch normalisation keeps its statistics and scales (inference mode).
        optimizer: `adamw`, or `adam` (without weight decay).
        learning_rate: the highest of the schedule.
        schedule: `cosine` falls to a hundredth over the epochs after `warmup_epochs`; `constant` stays.
        weight_decay: of AdamW; biases and normalisation's scales are left out.
        clip_norm: longest gradient, over all weights; longer ones are shortened. 0 leaves them.
        accumulate: batches whose gradients are averaged into one step: the memory of a small batch, the step
            of a large one.
        ema: momentum of the moving average of the weights, for example 0.99; the average is what is
            validated and kept. 0 keeps the weights themselves.
        mixed_precision: compute in bfloat16, keep weights in float32. It pays on GPUs and TPUs that know
            bfloat16, never on an ordinary processor.
        label_smoothing: share of each label spread over all classes.
        head_only: leave the backbone as it came.
        feature_copies: while the head alone learns, the backbone runs once over so many augmented copies of
            each slice and what it makes of them is kept; an epoch then takes milliseconds. 0 runs it at every
            epoch, with augmentation that never repeats.
        dropout: share of pooled features dropped.
        drop_path: how often the last block is left out for a slice, earlier ones less often; None is
            Keras's own (0.2 in EfficientNetV2, else 0). ResNetV2 has none.
        balance: `augment` fills smaller classes with more augmented copies, `weights` weighs their loss,
            `none`.
        augment: of the training part only.
        seed: of first weights, order, augmentation and dropout.
        threads: of the learning library; None leaves it to it.
        deterministic: the same bits on every run with the same threads, a little slower.
        tensorboard: also write TensorBoard's logs, into the run's folder `tensorboard`.
        planned_epochs: of a run that was extended: what `epochs` was at first, which fixes its stages and
            their schedule.
        extensions: epochs that were added since, each as (first, end), counted from 0; they belong to the
            last stage.
        preset: a name of `presets.PRESETS`, whose values hold where none is given here.
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
    weights_sha256: str | None = None
    image_size: int = Field(224, ge=MINIMUM_IMAGE_SIZE, le=1024)
    sizes: tuple[Annotated[int, Field(ge=MINIMUM_IMAGE_SIZE)], ...] = ()
    batch_size: int = Field(16, ge=1, le=1024)
    epochs: int = Field(30, ge=1, le=10_000)
    patience: int = Field(10, ge=0)
    monitor: Literal["val_auc", "val_loss", "val_accuracy"] = "val_auc"
    head_epochs: int = Field(0, ge=0)
    unfreeze: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    fine_tune_factor: float = Field(0.1, gt=0, le=1)
    freeze_norm: bool = False
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, lt=10)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    weight_decay: float = Field(1e-4, ge=0, lt=1)
    clip_norm: float = Field(1.0, ge=0)
    accumulate: int = Field(1, ge=1, le=1024)
    ema: float = Field(0.0, ge=0, lt=1)
    mixed_precision: bool = False
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    head_only: bool = False
    feature_copies: int = Field(4, ge=0, le=64)
    dropout: float = Field(0.3, ge=0, lt=1)
    drop_path: float | None = Field(None, ge=0, lt=1)
    balance: Literal["augment", "weights", "none"] = "augment"
    augment: Augmentation = Augmentation()
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int | None = Field(None, ge=1)
    deterministic: bool = False
    tensorboard: bool = False
    planned_epochs: int | None = Field(None, ge=1)
    extensions: tuple[tuple[int, int], ...] = ()
    preset: str | None = None
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _over_preset(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _coherent(self) -> TrainConfig:
        if self.head_epochs and self.head_only:
            raise ConfigError(
                "'head_only' trains the head for all epochs, 'head_epochs' for the first: give one of them.",
                key="head_epochs",
            )
        if self.head_epochs >= self.epochs:
            raise ConfigError(
                f"Of {self.epochs} epochs, 'head_epochs' takes {self.head_epochs} and leaves none to the "
                "backbone. Give more epochs or fewer head epochs, or 'head_only'.",
                key="head_epochs",
            )
        if list(self.sizes) != sorted({*self.sizes}) or any(size >= self.image_size for size in self.sizes):
            raise ConfigError(
                f"'sizes' cannot be {list(self.sizes)}: they rise, and end below 'image_size' "
                f"({self.image_size}).",
                key="sizes",
            )
        return self

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
        raise ConfigError(f"{source}: " + " ".join(sentence_of(item) for item in error.errors())) from error


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
    if values.get("preset") not in PRESETS or "recipe" not in PRESETS[values["preset"]].values:
        values.setdefault("recipe", default_recipe(workspace.recipes))
    if not values.get("dataset"):
        names = sorted(path.name for path in workspace.datasets.iterdir() if path.is_dir())
        raise ConfigError(
            "Say what to train on: `--dataset NAME`. "
            + (f"There are {', '.join(names)}." if names else "There is none yet: index a folder first.")
        )
    return make_config(values, source=str(file) if file is not None else "The training configuration")


def sentence_of(item: Any) -> str:
    """Say one validation error for the user."""
    where = ".".join(str(part) for part in item["loc"])
    if item["loc"] == ("learning_rate",) and item["type"] == "less_than":
        return (
            f"{where!r} cannot be {item['input']:g}: at such a rate every network diverges; 0.001 is usual."
        )
    if item["type"] == "extra_forbidden":
        parents, key = item["loc"][:-1], str(item["loc"][-1])
        valid = (Augmentation if parents == ("augment",) else TrainConfig).model_fields
        return f"there is no key {where!r}.{_guess(key, valid)} The keys are {', '.join(valid)}."
    if item["type"] == "missing":
        return f"{where!r} is missing."
    if item["type"] in ("int_parsing", "float_parsing", "int_from_float"):
        kind = "number" if item["type"] == "float_parsing" else "whole number"
        return f"{where!r} cannot be {item['input']!r}: it takes a {kind}."
    if item["type"] == "too_short":
        return f"{where!r} needs {item['ctx']['min_length']} or more; {item['ctx']['actual_length']} came."
    if item["type"] == "model_type":
        return f"{where!r} cannot be {item['input']!r} (it holds keys of its own)."
    return f"{where!r} cannot be {item['input']!r} ({item['msg'][:1].lower()}{item['msg'][1:]})."


def _guess(key: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(valid), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
