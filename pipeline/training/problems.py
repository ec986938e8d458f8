"""What is wrong with a configuration, by key: for a form that says it beside the field. Imports no Keras."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from models.errors import ModelError, UnknownArchitectureError
from models.registry import find_architecture
from models.weights import KERAS_FOLDER, imagenet_file, phantom_weights
from pipeline.errors import HilumError
from pipeline.training.config import TrainConfig, sentence_of
from pipeline.training.errors import ConfigError
from pipeline.training.plan import find_weights
from pipeline.workspace import InvalidNameError, Workspace


def config_problems(values: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a configuration's values: a sentence by key, none where nothing is.

    A part of augmentation has a key of its own, `augment.zoom`.
    """
    try:
        TrainConfig.model_validate(values)
    except ValidationError as error:
        return {_key(item["loc"]): _capital(sentence_of(item)) for item in error.errors()}
    except ConfigError as error:
        return {error.key or "preset": str(error)}
    except UnknownArchitectureError as error:
        return {"architecture": str(error)}
    except InvalidNameError as error:
        return {"name": str(error)}
    return {}


def weights_problem(workspace: Workspace, config: TrainConfig) -> str | None:
    """Return why the first weights can't be had, None where they can or will be fetched."""
    try:
        find_weights(workspace, config)
    except (ModelError, HilumError) as error:
        return str(error)
    return None


def needs_network(config: TrainConfig) -> bool:
    """Whether the first weights have to be fetched before this training can begin."""
    file = imagenet_file(find_architecture(config.architecture))
    return config.weights == "imagenet" and not (KERAS_FOLDER / file).is_file()


def weights_note(config: TrainConfig) -> str:
    """Say where the first weights come from and whether a machine without network has them."""
    architecture = find_architecture(config.architecture)
    if config.weights == "random":
        return "Nothing is learnt yet: this takes many slices and many epochs. No network is needed."
    if config.weights == "phantom" and phantom_weights(architecture).is_file():
        return "Learnt on synthetic patients; they ship with Hilum, and no network is needed."
    if config.weights != "imagenet":
        return ""
    if not needs_network(config):
        return "Learnt on photographs; the file lies on this machine, and no network is needed."
    return (
        f"Learnt on photographs. They are not on this machine yet: the training fetches them once (about "
        f"{4 * architecture.parameters_millions:.0f} MB) and needs the network for it. Without network, "
        f"put {imagenet_file(architecture)} into {KERAS_FOLDER}, or start from other weights."
    )


def _key(location: tuple[int | str, ...]) -> str:
    """Return a key as the form knows it: pydantic also tells the member of a union or tuple."""
    return ".".join(map(str, location[: 2 if location[0] == "augment" else 1]))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
