"""Does a slice look like the phantoms? A model that learnt from them alone knows nothing of others.

Its last features do not tell: a network that only ever saw drawn slices finds in real ones what it knows.
Grey values and texture do. A slice, as large as SIDE, is described by the square roots of its histogram's
shares (in BINS) and the spread of what lies between one blur and the next; its distance from the phantoms' is
measured as that of features is (`reference.py`). What is measured with ships as `look.npz`; asked only of
models that learnt from synthetic slices.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import display_grey
from pipeline.inference.reference import Reference
from pipeline.preprocessing.geometry import place, resize_to

LOOK = Path(__file__).resolve().parents[2] / "assets" / "demo-model" / "look.npz"
SIDE, BINS = 256, 32
BLURS = (1.0, 2.0, 4.0, 8.0)  # pixels
DIMENSIONS, FLOOR, QUANTILE = 16, 1e-2, 0.99


def describe_look(image: SliceImage) -> np.ndarray:
    """Describe grey values and texture of a slice: float32 (36,)."""
    grey = display_grey(image.image, intensity=image.intensity)
    if grey.ndim == 3:
        grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY)
    placed = place(*grey.shape, size=SIDE, fit="pad")
    small = resize_to(grey, rows=placed.rows, columns=placed.columns).astype(np.float32)
    shares = np.histogram(small, bins=BINS, range=(0, 256))[0] / small.size
    blurred = [small, *(cv2.GaussianBlur(small, (0, 0), sigma) for sigma in BLURS)]
    bands = [np.log1p((fine - coarse).std()) for fine, coarse in pairwise(blurred)]
    return np.concatenate([np.sqrt(shares), bands]).astype(np.float32)


def unlike_drawn(image: SliceImage) -> str:
    """Say that a slice does not look like the phantoms; empty where it does, or where this cannot be told."""
    look = _shipped_look(LOOK)
    if look is None or look.distance(describe_look(image)) <= look.threshold:
        return ""
    return (
        "It does not look like the synthetic slices that this model learnt from, and of others it knows "
        "nothing."
    )


def fit_look(
    looks: np.ndarray,
    rows: pd.DataFrame,
    held_out: np.ndarray,
    held_out_rows: pd.DataFrame,
    *,
    dataset: str,
    generator_hash: str,
) -> Reference | None:
    """Fit what `unlike_drawn` measures with, on phantoms, and its limit on others.

    Args:
        looks: (n, 36) of `describe_look`.
        rows: n rows as of `fit_reference`.
        held_out, held_out_rows: of other patients, for the limit.
        dataset: whose slices they are.
        generator_hash: of the generator that drew them.
    """
    from pipeline.inference.reference_fit import fit_reference  # its libraries are slow to load

    return fit_reference(
        looks, rows, held_out, held_out_rows,
        dataset=dataset, part="all but train", model_sha256=generator_hash,
        dimensions=DIMENSIONS, floor=FLOOR, quantile=QUANTILE,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _shipped_look(path: Path) -> Reference | None:
    return Reference.load(path) if path.is_file() else None
