"""Weights on disk: arrays by layer name in Keras's `.weights.h5`, and nothing that could run.

A file is read by our own reader, layer by layer, into a model that was built in code. Complete models
(`.keras`, `.h5` with a `model_config`) are refused: loading one can run code. So are links out of the file,
by which a file can make its reader open others.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from models.errors import WeightsError, WeightsHashError
from models.hashing import sha256_of
from models.registry import HEAD_LAYERS, Architecture

Arrays = dict[str, list[h5py.Dataset]]
SUFFIX = ".weights.h5"
PHANTOM_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "demo-model"
KERAS_FOLDER = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
KINDS = "random, imagenet, phantom, run:RUN or file:PATH"


@dataclass(frozen=True)
class WeightsSource:
    """Where a model's first weights come from: Keras (`for_keras`), a file of ours (`path`), or chance."""

    for_keras: str | None = None
    path: Path | None = None
    with_head: bool = True


def phantom_weights(architecture: Architecture) -> Path:
    """Return where the weights trained on phantoms lie that ship with Hilum; the file need not exist."""
    return PHANTOM_FOLDER / f"phantom-{architecture.name}{SUFFIX}"


def imagenet_file(architecture: Architecture) -> str:
    """Return what Keras calls the file of the ImageNet backbone, where it keeps and publishes it.

    >>> from models.registry import find_architecture
    >>> [imagenet_file(find_architecture(name)) for name in ("EfficientNetV2B0", "ConvNeXtTiny")]
    ['efficientnetv2-b0_notop.h5', 'convnext_tiny_notop.h5']
    """
    if architecture.family == "ResNetV2":
        return f"{architecture.name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    variant = architecture.name.removeprefix(architecture.family).lower()
    stem = f"efficientnetv2-{variant}" if architecture.family == "EfficientNetV2" else f"convnext_{variant}"
    return f"{stem}_notop.h5"


def resolve_weights(weights: str, architecture: Architecture) -> WeightsSource:
    """Turn the user's word for first weights into a source.

    Raises:
        WeightsError: an unknown word, a file that is missing, or one that holds a whole model.
    """
    if weights == "random":
        return WeightsSource()
    if weights == "imagenet":
        return WeightsSource(for_keras="imagenet")
    if weights == "phantom":
        path = phantom_weights(architecture)
        if not path.is_file():
            shipped = sorted(
                file.name[len("phantom-") : -len(SUFFIX)]
                for file in PHANTOM_FOLDER.glob(f"phantom-*{SUFFIX}")
            )
            raise WeightsError(
                f"No weights trained on phantoms ship for {architecture.name}. "
                + (f"They do for {', '.join(shipped)}. " if shipped else "")
                + "Take another architecture, or random weights."
            )
        return WeightsSource(path=path, with_head=False)
    if weights.startswith("file:"):
        return _file_source(Path(weights.removeprefix("file:")).expanduser())
    raise WeightsError(f"The weights {weights!r} are none of these: {KINDS}.")


def _file_source(path: Path) -> WeightsSource:
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist. Give the path of a {SUFFIX} file.")
    if path.name.endswith(SUFFIX):
        return WeightsSource(path=path)
    if path.name.endswith("_notop.h5"):
        _refuse_unsafe(path)
        return WeightsSource(for_keras=str(path))
    raise WeightsError(
        f"{path.name} is not a weights file: whole models (.keras, .h5) can run code when they are loaded, "
        f"so they are never opened. Give a {SUFFIX} file written by Hilum or by Keras's save_weights, or "
        "the ImageNet file that Keras publishes (its name ends in _notop.h5)."
    )


def save_weights(model: Any, path: str | os.PathLike[str], *, half: bool = False) -> str:
    """Write a model's weights to `path` (`*.weights.h5`): whole or not at all.

    Args:
        model: a built Keras model.
        path: file to write or replace.
        half: store as float16 (half the bytes, for shipping); loading makes them float32 again.

    Returns:
        The file's sha256, 64 hex digits, to be kept beside it.

    Raises:
        WeightsError: the name does not end in `.weights.h5`, or the disk refuses.
    """
    target = Path(path)
    if not target.name.endswith(SUFFIX):
        raise WeightsError(f"A weights file is called *{SUFFIX}; {target.name} came.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".weights-") as folder:
            written = Path(folder) / f"new{SUFFIX}"
            model.save_weights(written)
            if half:
                written = _halved(written)
            with written.open("rb+") as file:
                os.fsync(file.fileno())
            digest = sha256_of(written)
            os.replace(written, target)
    except OSError as error:
        raise WeightsError(
            f"The weights could not be written to {target} ({error.strerror or error})."
        ) from error
    return digest


def _halved(path: Path) -> Path:
    """Copy an HDF5 file with its float32 arrays as float16, compressed."""
    copy = path.with_name(f"half{SUFFIX}")
    with h5py.File(path, "r") as source, h5py.File(copy, "w") as target:

        def take(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                limits = np.finfo(np.float16)
                half = np.clip(values, limits.min, limits.max).astype(np.float16)
                target.create_dataset(name, data=half, compression="gzip" if half.ndim else None)
            else:
                target.require_group(name)
            for key, value in item.attrs.items():
                target[name].attrs[key] = value

        source.visititems(take)
    return copy


def load_weights(model: Any, path: str | os.PathLike[str], *, sha256: str | None = None) -> None:
    """Load all weights of `model`, in place, by layer name.

    Args:
        model: a model of the architecture and classes that were saved.
        path: a `*.weights.h5` file.
        sha256: the digest that `save_weights` gave; checked first where it is known.

    Raises:
        WeightsHashError: the file is another one.
        WeightsError: it is missing, damaged, unsafe, or of another model.
    """
    file = Path(path)
    if sha256 is not None and file.is_file() and sha256_of(file) != sha256:
        raise WeightsHashError(
            f"{file.name} is not the file that was saved (its sha256 differs): it was replaced or damaged. "
            "Restore it from a backup, or train again."
        )
    with open_arrays(file) as arrays:
        _assign(model.layers, arrays, path=file, model_name=model.name)


def load_backbone_weights(model: Any, path: Path, *, with_head: bool = True) -> bool:
    """Load the backbone's weights by layer name, and the head's where it has the same shapes.

    Returns:
        Whether the head was loaded too (never with `with_head=False`).

    Raises:
        WeightsError: the file is damaged, unsafe, or of another backbone.
    """
    head = [layer for layer in model.layers if layer.name in HEAD_LAYERS and layer.weights]
    backbone = [layer for layer in model.layers if layer.name not in HEAD_LAYERS]
    with open_arrays(path) as arrays:
        _assign(backbone, arrays, path=path, model_name=model.name)
        take_head = with_head and all(_shapes(layer) == _stored(arrays, layer) for layer in head)
        if take_head:
            _assign(head, arrays, path=path, model_name=model.name)
    return take_head


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _stored(arrays: Arrays, layer: Any) -> list[tuple[int, ...]]:
    return [tuple(array.shape) for array in arrays.get(layer.name, [])]


def _assign(layers: Iterable[Any], arrays: Arrays, *, path: Path, model_name: str) -> None:
    """Check every shape first (nothing is changed by a file that does not fit, nor a huge array read)."""
    weighted = [layer for layer in layers if layer.weights]
    for layer in weighted:
        if layer.name not in arrays:
            raise WeightsError(
                f"{path.name} holds no layer {layer.name!r}: it was saved from another model than "
                f"{model_name}. Choose the architecture that it was trained with."
            )
        if _shapes(layer) != _stored(arrays, layer):
            raise WeightsError(
                f"In {path.name} layer {layer.name!r} has the shapes {_stored(arrays, layer)}, and "
                f"{model_name} has {_shapes(layer)}: another architecture, or another number of classes."
            )
    for layer in weighted:
        layer.set_weights([array[()].astype(np.float32) for array in arrays[layer.name]])


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """Open a Keras `.weights.h5` file as arrays by layer name, in the layer's own order; read when indexed.

    Raises:
        WeightsError: missing, not HDF5, with links out of the file, or without named layers.
    """
    _refuse_unsafe(path)
    arrays: Arrays = {}
    with h5py.File(path, "r") as file:
        layers = file.get("layers")
        groups = layers.values() if isinstance(layers, h5py.Group) else ()
        for group in groups:
            stored = group.get("vars") if isinstance(group, h5py.Group) else None
            if isinstance(stored, h5py.Group) and "name" in stored.attrs and all(map(str.isdigit, stored)):
                arrays[str(stored.attrs["name"])] = [stored[key] for key in sorted(stored, key=int)]
        if not arrays:
            raise WeightsError(
                f"{path.name} holds no named layers: it was not written by Keras 3's save_weights from a "
                "flat model."
            )
        try:
            yield arrays
        except OSError as error:
            raise WeightsError(f"{path.name} is damaged: an array in it cannot be read.") from error


def _refuse_unsafe(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist.")
    try:
        with h5py.File(path, "r") as file:
            if "model_config" in file.attrs:
                raise WeightsError(
                    f"{path.name} holds a whole model, whose loading can run code. Save its weights only "
                    "(model.save_weights) and give that file."
                )
            _refuse_links(file, path)
    except OSError as error:
        raise WeightsError(
            f"{path.name} is not a readable HDF5 weights file; it may be cut short."
        ) from error


def _refuse_links(group: Any, path: Path) -> None:
    """Walk by links, not by `visititems`: that follows hard links only and would not show the others."""
    for name in group:
        link = group.get(name, getlink=True)
        item = group[name] if isinstance(link, h5py.HardLink) else None
        external = isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)
        if item is None or external:
            raise WeightsError(f"{path.name} refers to data outside itself ({name}) and is not opened.")
        if isinstance(item, h5py.Group):
            _refuse_links(item, path)
