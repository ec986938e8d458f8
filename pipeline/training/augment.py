"""Augmentation: what each look at a slice changes, by (seed, epoch, position). Imports no Keras.

Rotation, zoom, shear, shift, flip and the reduction to the network's size are one matrix, so a slice is
interpolated once. What changes greys (`shades`) comes after, at the network's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.preprocessing.geometry import to_model_input
from pipeline.training.config import Augmentation
from pipeline.training.shades import Shading, draw_shades, make_shading

_STREAM = 0xA06  # keeps these draws apart from those of the order
_SHEAR_STREAM = 0x5EA


@dataclass(frozen=True, eq=False)
class Change:
    """What one look at a slice changes: where each point goes, float64 (2, 3), and its greys, if at all."""

    affine: np.ndarray
    shading: Shading | None = None


@dataclass(frozen=True, eq=False)
class Changes:
    """The changes of an epoch, by position; `shades` are None where greys stay."""

    augment: Augmentation
    affines: np.ndarray
    shades: np.ndarray | None
    key: tuple[int, int]

    def __len__(self) -> int:
        return len(self.affines)

    def __getitem__(self, place: int) -> Change:
        if self.shades is None:
            return Change(self.affines[place])
        noise_key = (*self.key, place)
        return Change(
            self.affines[place], make_shading(self.augment, self.shades[place], noise_key=noise_key)
        )


def draw_changes(augment: Augmentation, *, count: int, size: int, seed: int, epoch: int) -> Changes:
    """Draw the augmentation of every position of an epoch.

    Args:
        count: positions; the first n of a longer epoch are those of a shorter one.
        size: side of the prepared slices, pixels.
    """
    affines = draw_affines(augment, count=count, size=size, seed=seed, epoch=epoch)
    shades = draw_shades(count=count, seed=seed, epoch=epoch) if augment.changes_greys else None
    return Changes(augment, affines, shades, (seed, epoch))


def draw_affines(augment: Augmentation, *, count: int, size: int, seed: int, epoch: int) -> np.ndarray:
    """Draw where the slices of an epoch move; see `draw_changes`.

    Returns:
        float64 (count, 2, 3): matrices that move a point (column, row) of a slice to its augmented place.
    """
    draws = np.random.default_rng([seed, epoch, _STREAM]).uniform(-1.0, 1.0, (count, 5))
    # A stream of its own: the other draws are those of configurations that know no shear.
    lean = np.random.default_rng([seed, epoch, _SHEAR_STREAM]).uniform(-1.0, 1.0, count)
    angle = np.deg2rad(draws[:, 0] * augment.rotation)
    # exp: growing by a share is as likely as shrinking by it
    scale = np.exp(draws[:, 1] * np.log1p(augment.zoom))
    mirror = np.where((draws[:, 4] > 0) & augment.horizontal_flip, -1.0, 1.0)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    slope = np.tan(np.deg2rad(lean * augment.shear))
    affines = np.empty((count, 2, 3))
    affines[:, 0, 0], affines[:, 0, 1] = cosine * mirror, cosine * mirror * slope + sine
    affines[:, 1, 0], affines[:, 1, 1] = -sine * mirror, -sine * mirror * slope + cosine
    center = np.full(2, (size - 1) / 2)
    shift = draws[:, 2:4] * augment.translation * size
    affines[:, :, 2] = center + shift - affines[:, :, :2] @ center
    return affines


def augment_slice(image: np.ndarray, change: Change, *, image_size: int) -> np.ndarray:
    """Move a prepared slice, reduce it to the network's size and change its greys.

    Args:
        image: uint8 (size, size), or (size, size, 3) whose first channel is the grey slice.
        change: of `draw_changes`.
        image_size: side of the result, pixels.

    Returns:
        float32 (image_size, image_size, channels) in [0, 255]; what moves in from outside is 0 before greys
        change.
    """
    size = image.shape[0]
    # Bilinear interpolation looks at four neighbours only: reducing by more than two would skip pixels that
    # prediction's area interpolation averages. So whole factors are averaged first, exactly.
    factor = max(1, size // image_size)
    binned = (
        cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        if factor > 1
        else image
    )
    matrix = _resampled(change.affine, before=size / binned.shape[0], after=size / image_size)
    moved = cv2.warpAffine(
        binned,
        matrix,
        (image_size, image_size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    ).reshape(image_size, image_size, -1)
    return moved.astype(np.float32) if change.shading is None else change.shading.apply(moved)


def network_slice(image: np.ndarray, change: Change | None, *, image_size: int) -> np.ndarray:
    """Return what the network is given: augmented by `change`, or as in prediction where it is None.

    Returns:
        float32 (image_size, image_size, channels) in [0, 255].
    """
    if change is None:
        channels = 1 if image.ndim == 2 else image.shape[2]
        return to_model_input(image, image_size=image_size, channels=channels)
    return augment_slice(image, change, image_size=image_size)


def _resampled(affine: np.ndarray, *, before: float, after: float) -> np.ndarray:
    """Express `affine` between images whose pixels are `before` and `after` times as large.

    Pixel centres lie at whole numbers, so a coordinate c of the large image is (c + 0.5) / factor - 0.5 of
    the small.
    """
    to_large = np.array([[before, 0, before / 2 - 0.5], [0, before, before / 2 - 0.5], [0, 0, 1]])
    to_small = np.array([[1 / after, 0, 0.5 / after - 0.5], [0, 1 / after, 0.5 / after - 0.5], [0, 0, 1]])
    return (to_small @ np.vstack([affine, [0, 0, 1]]) @ to_large)[:2]
