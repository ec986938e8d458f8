"""Writing what each preprocessing stage makes of slices, one PNG a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.data.inputs import expand_inputs
from pipeline.data.reading import SliceError, SliceImage, read_slice
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import atomic_write_bytes


def write_stages(
    inputs: Sequence[Path], *, out: Path, recipe: Recipe, on_error: Callable[[str], None]
) -> Iterator[Path]:
    """Write `out/<stem>/<NN>-<stage>.png` for each slice; yield the folders.

    An input is a slice, a file of several frames, a folder or an archive (`expand_inputs`). Equal stems are
    numbered (`a`, `a-2`), further frames named (`a-frame-2`). What can't be read is told to `on_error` in a
    sentence, and the rest goes on.
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
            _write_slice(image, out / each.stem, recipe)
            yield out / each.stem


def _write_slice(image: SliceImage, folder: Path, recipe: Recipe) -> None:
    done = preprocess_slice(image.image, intensity=image.intensity, recipe=recipe)
    for number, (name, picture) in enumerate((done.stages | {"lung-mask": done.lung_mask}).items(), start=1):
        atomic_write_bytes(folder / f"{number:02d}-{name}.png", _png(picture))


def _png(picture: np.ndarray) -> bytes:
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())
