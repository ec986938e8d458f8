"""Hide parts of a slice from the network and see what it then says: a check that needs no gradient.

A slice is cut into a grid of patches. Hidden, a patch shows what speaks for no disease: healthy lung inside
the lungs (their lower quartile, in one grey), air elsewhere. The usual choices, the slice's mean or its
blur, are no emptiness here: a mid grey over the lungs is ground glass, and the shipped model finds it
positive by 9 to 30 logits. What the margin loses when a patch is hidden is what the patch speaks for the
class, signed and in logits (occlusion, Zeiler & Fergus, ECCV 2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from pipeline.explanation.closed_form import CamWeights

GRID = 8  # patches a side
BATCH = 8
LEAST_CHANGE = 5.0  # grey levels of 255: a patch that hiding changes by less, on average, holds nothing
AIR = 5  # percentile of the picture's greys: what lies around the body
HEALTHY = 25  # percentile of the lungs' greys: healthy lung, unless more than three quarters are diseased
_FINE = 8  # samples a patch and side, where a map is averaged over patches


class Network(Protocol):
    """What is asked of a model: its head as one affine map, and its answer to a batch."""

    cam: CamWeights

    def run(self, batch: np.ndarray) -> Any:
        """Return `logits` (n, c) and `features` (n, h, w, k) of float32 (n, size, size, channels)."""


@dataclass(frozen=True, eq=False)
class Patches:
    """A slice, and the same slice emptied, cut into a grid.

    Attributes:
        image: float32 (size, size, channels) in [0, 255], the network's input.
        empty: same shape, what hidden patches show.
        grid: patches a side.
    """

    image: np.ndarray
    empty: np.ndarray
    grid: int = GRID

    @classmethod
    def cut(cls, image: np.ndarray, *, lungs: np.ndarray | None = None, grid: int = GRID) -> Patches:
        """Cut a network's input; `lungs` is their mask (size, size), None where none is believed."""
        return cls(image, empty_slice(image, lungs=lungs), grid)

    @property
    def filled(self) -> np.ndarray:
        """Which patches hold something that can be hidden, bool (grid, grid)."""
        change = np.abs(self.image - self.empty).mean(axis=2)
        return to_grid(change, self.grid) >= LEAST_CHANGE

    def hide(self, which: np.ndarray) -> np.ndarray:
        """Return the slice without the patches of `which`, bool (grid, grid)."""
        size = self.image.shape[0]
        mask = cv2.resize(which.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
        return np.where(mask[..., None] > 0, self.empty, self.image)


def empty_slice(image: np.ndarray, *, lungs: np.ndarray | None = None) -> np.ndarray:
    """Return the slice with everything taken out: one healthy grey inside the lungs, air elsewhere.

    Args:
        image: float32 (size, size, channels).
        lungs: (size, size), not 0 inside; None or all 0 leaves air alone.
    """
    empty = np.full_like(image, np.percentile(image, AIR))
    if lungs is not None and lungs.any():
        empty[lungs != 0] = np.percentile(image[lungs != 0], HEALTHY, axis=0)
    return empty


def to_grid(values: np.ndarray, grid: int) -> np.ndarray:
    """Average a map (h, w) over the patches of a grid that covers the same square, float32 (grid, grid).

    >>> to_grid(np.array([[1.0, 3.0], [5.0, 7.0]]), 1).tolist()
    [[4.0]]
    """
    side = grid * _FINE
    shrinks = values.shape[0] > side
    fine = cv2.resize(
        values.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return fine.reshape(grid, _FINE, grid, _FINE).mean(axis=(1, 3))


def answers(network: Network, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the logits (c,) of each image, batch by batch; the next is made when it is its turn."""
    for outputs in outputs_of(network, images):
        yield from outputs.logits


def outputs_of(network: Network, images: Iterable[np.ndarray]) -> Iterator[Any]:
    """Yield what the network says of the images, a batch at a time."""
    batch: list[np.ndarray] = []
    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            yield network.run(np.stack(batch))
            batch = []
    if batch:
        yield network.run(np.stack(batch))


def occlude(network: Network, patches: Patches, logits: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield row, column and logits (c,) of the slice without each patch that holds something.

    Patches that hold nothing change nothing, whose answer would be `logits`, the whole slice's.
    """
    places = np.argwhere(patches.filled)
    hidden = (patches.hide(_only(patches.grid, row, column)) for row, column in places)
    for (row, column), found in zip(places, answers(network, hidden), strict=True):
        yield int(row), int(column), found


def occlusion_values(occluded: np.ndarray, logits: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return what the margin loses with each patch, float32 (grid, grid): positive speaks for the class.

    Args:
        occluded: (grid, grid, c), logits without each patch.
        logits: (c,), of the whole slice.
        contrast: (c,), of `margin_contrast`.
    """
    return ((logits - occluded) @ contrast).astype(np.float32)


def _only(grid: int, row: int, column: int) -> np.ndarray:
    which = np.zeros((grid, grid), bool)
    which[row, column] = True
    return which
