"""Writing what each preprocessing stage makes of slices, one PNG a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.data.inputs import expand_inputs
from pipeline.data.reading import SliceError, SliceImage, read_slice
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import atomic_write_bytes


class Written(NamedTuple):
    """A folder of stages, and what is to be doubted of the slice's mask; empty where nothing is."""

    folder: Path
    doubt: str


def write_stages(
    inputs: Sequence[Path], *, out: Path, recipe: Recipe, on_error: Callable[[str], None]
) -> Iterator[Written]:
    """Write `out/<stem>/<NN>-<stage>.png` for each slice; yield the folders, each with its doubt.

    An input is a slice, a file of several frames, a folder or an archive (`expand_inputs`). Equal stems are
    numbered (`a`, `a-2`), further frames named (`a-frame-2`). `lung-mask` is the believed mask, empty if
    there is none. What can't be read is told to `on_error` in a sentence, and the rest goes on.
    """
    for slices in expand_inputs(inputs):
        for each in slices:
            try:
                if each.problem is not None:
                    raise each.problem
                image = read_slice(each.path, frame=each.frame)
            except SliceError as error:
                on_error(f"{each.shown}: {error}")
                continue
            yield Written(out / each.stem, _write_slice(image, out / each.stem, recipe))


def _write_slice(image: SliceImage, folder: Path, recipe: Recipe) -> str:
    """Write a slice's stages and return what is to be doubted of its mask."""
    done = preprocess_slice(image.image, intensity=image.intensity, recipe=recipe)
    for number, (name, picture) in enumerate(done.stages.items(), start=1):
        atomic_write_bytes(folder / f"{number:02d}-{name}.png", _png(picture))
    if recipe.lungs.method == "none":
        return ""
    if not done.verdict.plausible:
        return " ".join(["the lung mask is not believed and left empty.", *done.verdict.reasons])
    return done.verdict.suspicion or ""


def _png(picture: np.ndarray) -> bytes:
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())
