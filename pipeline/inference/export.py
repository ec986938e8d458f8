"""Write a trained Keras model in the formats that others read: OpenVINO (our own engine), SavedModel, Keras.

The one module of this room that loads Keras; only training, exporting and the command line import it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models import create_model, load_weights
from models.hashing import sha256_of
from pipeline.errors import HilumError
from pipeline.explanation.closed_form import fold_head
from pipeline.inference.engine import FILES, FOLDER, FORMAT, EngineFacts
from pipeline.inference.runtime import load_openvino
from pipeline.preprocessing.recipe import Recipe
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_text

FORMATS = ("openvino", "saved_model", "keras")
_PACKAGES = ("keras", "tensorflow", "openvino", "numpy", "opencv-python-headless")


class ExportError(HilumError):
    """A model could not be written in the asked format."""


def export_engine(
    model: Any,
    folder: Path,
    *,
    class_names: Sequence[str],
    recipe: Recipe,
    heat_range: float | None = None,
) -> EngineFacts:
    """Write a model as an engine: whole, in place of the one that was there, or not at all.

    Args:
        model: from `models.create_model`, trained.
        folder: the engine's folder (`engine` among a run's artifacts).
        class_names: in the order of the outputs.
        recipe: how the slices were prepared that it was trained on.
        heat_range: see `EngineFacts`.
    """
    _, size, _, channels = model.inputs[0].shape
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".engine-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        load_openvino().save_model(_converted(model), made / "model.xml", compress_to_fp16=False)
        cam = fold_head(model)
        np.savez(made / "cam.npz", weights=cam.weights, constants=cam.constants)
        facts = EngineFacts(
            format=FORMAT,
            architecture=model.name,
            classes=tuple(class_names),
            image_size=size,
            channels=channels,
            recipe=recipe.to_json(),
            recipe_hash=recipe.hash,
            sha256={name: sha256_of(made / name) for name in FILES},
            versions={name: version(name) for name in _PACKAGES},
            heat_range=heat_range,
        )
        for name in FILES:
            _sync(made / name)
        atomic_write_text(made / "engine.json", facts.model_dump_json(indent=2))
        if folder.exists():
            os.replace(folder, Path(scratch) / "old")
        os.replace(made, folder)
    return facts


def _converted(model: Any) -> Any:
    """Convert to OpenVINO with the outputs `logits`, `probabilities` and `features`; any batch size."""
    import tensorflow

    openvino = load_openvino()
    outputs = {name: model.get_layer(name).output for name in ("logits", "probabilities", "features")}
    graph = keras.Model(model.inputs[0], outputs)
    signature = tensorflow.TensorSpec(model.inputs[0].shape, tensorflow.float32, name="image")
    traced = tensorflow.function(lambda image: graph(image, training=False)).get_concrete_function(signature)
    return openvino.convert_model(traced)


def rebuild_model(run: RunInfo) -> Any:
    """Build a run's model from its configuration and load its best weights.

    Raises:
        RunFileMissingError, WeightsError: the run is incomplete.
    """
    config = run.load_config()
    recipe = Recipe(**run.load_recipe())
    model = create_model(
        config["architecture"],
        num_classes=len(run.class_names),
        image_size=config["image_size"],
        channels=3 if recipe.output == "three-channel" else 1,
        dropout=config.get("dropout", 0.0),
    )
    load_weights(model, run.artifacts / "weights.weights.h5")
    return model


def export_run(workspace: Workspace, run: str, *, format: str, out: Path) -> Path:
    """Write a run's model to the folder `out` and return what was written.

    With `openvino` the run's own engine is made again too where it is missing.

    Raises:
        ExportError: an unknown format.
        RunNotFoundError, RunFileMissingError, WeightsError: see their messages.
    """
    if format not in FORMATS:
        raise ExportError(f"The format {format!r} is none of these: {', '.join(FORMATS)}.")
    found = RunStore(workspace).find(run)
    out.mkdir(parents=True, exist_ok=True)
    if format == "openvino":
        own = found.artifacts / FOLDER
        if not (own / "engine.json").is_file():
            recipe = Recipe(**found.load_recipe())
            export_engine(rebuild_model(found), own, class_names=found.class_names, recipe=recipe)
        for file in own.iterdir():
            shutil.copy2(file, out / file.name)
        return out
    model = rebuild_model(found)
    if format == "saved_model":
        model.export(out, verbose=False)
        return out
    target = out / f"{model.name}.keras"
    with tempfile.TemporaryDirectory(dir=out, prefix=".keras-") as scratch:
        model.save(Path(scratch) / target.name)
        os.replace(Path(scratch) / target.name, target)
    return target


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
