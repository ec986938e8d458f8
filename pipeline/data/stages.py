"""Writing what each preprocessing stage makes of slices, one PNG a stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.data.reading import SliceError, SliceImage, read_slice
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import Recipe
from pipeline.workspace import atomic_write_bytes


def write_stages(
    inputs: Sequence[Path], *, out: Path, recipe: Recipe, on_error: Callable[[str], None]
) -> Iterator[Path]:
    """Write `out/<stem>/<NN>-<stage>.png` for each slice; yield the folders.

    Equal stems are numbered (`a`, `a-2`), further frames named (`a-frame-2`). A file that can't be read is
    told to `on_error` in a sentence, and the rest goes on.
    """
    taken: Counter[str] = Counter()
    for path in inputs:
        taken[path.stem] += 1
        stem = path.stem if taken[path.stem] == 1 else f"{path.stem}-{taken[path.stem]}"
        try:
            for frame, image in _frames(path):
                folder = out / (stem if frame == 0 else f"{stem}-frame-{frame + 1}")
                _write_slice(image, folder, recipe)
                yield folder
        except SliceError as error:
            on_error(f"{path}: {error}")


def _frames(path: Path) -> Iterator[tuple[int, SliceImage]]:
    first = read_slice(path)
    yield 0, first
    for frame in range(1, first.frames):
        yield frame, read_slice(path, frame=frame)


def _write_slice(image: SliceImage, folder: Path, recipe: Recipe) -> None:
    done = preprocess_slice(image.image, intensity=image.intensity, recipe=recipe)
    for number, (name, picture) in enumerate((done.stages | {"lung-mask": done.lung_mask}).items(), start=1):
        atomic_write_bytes(folder / f"{number:02d}-{name}.png", _png(picture))


def _png(picture: np.ndarray) -> bytes:
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())
