"""Augmentation of greys: another window, noise, blur, a square cut out; drawn by (seed, epoch, position).

Only the first channel is a picture in grey; the masks and edges that a recipe puts into the others keep their
values, and are cut out with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.training.config import Augmentation

_STREAM, _NOISE_STREAM = 0x54A, 0x015


@dataclass(frozen=True, eq=False)
class Shading:
    """How one look at a slice changes its greys.

    Attributes:
        table: float32 (256,), the new grey of each grey.
        blur: standard deviation of the Gaussian, pixels of the network's input.
        noise: standard deviation of the noise, greys.
        noise_key: what the noise is drawn from.
        cutout: row and column of the square's middle and its side, as shares of the slice's side.
    """

    table: np.ndarray
    blur: float
    noise: float
    noise_key: tuple[int, ...]
    cutout: tuple[float, float, float]

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return the changed slice, float32 in [0, 255]; `image` is uint8 (size, size, channels)."""
        changed = image.astype(np.float32)
        grey = cv2.LUT(np.ascontiguousarray(image[..., 0]), self.table)
        if self.blur > 0:
            grey = cv2.GaussianBlur(grey, (0, 0), self.blur, borderType=cv2.BORDER_REFLECT)
        if self.noise > 0:
            rng = np.random.default_rng(self.noise_key)
            grey += self.noise * rng.standard_normal(grey.shape, dtype=np.float32)
        changed[..., 0] = np.clip(grey, 0.0, 255.0)
        row, column, side = (round(share * len(image)) for share in self.cutout)
        top, left = max(0, row - side // 2), max(0, column - side // 2)
        changed[top : row - side // 2 + side, left : column - side // 2 + side] = 0.0
        return changed


def draw_shades(*, count: int, seed: int, epoch: int) -> np.ndarray:
    """Draw what `make_shading` takes for every position of an epoch, float64 (count, 8) in [-1, 1]."""
    return np.random.default_rng([seed, epoch, _STREAM]).uniform(-1.0, 1.0, (count, 8))


def make_shading(augment: Augmentation, draws: np.ndarray, *, noise_key: tuple[int, ...]) -> Shading:
    """Turn the draws (8,) of one position into its change of greys, each even over its range."""
    center, width, bend = (float(draw) for draw in draws[:3])
    blur, noise, row, column, side = (float(draw + 1) / 2 for draw in draws[3:])
    table = shade_table(
        brightness=augment.brightness * center,
        contrast=(1 + augment.contrast) ** width,
        gamma=(1 + augment.gamma) ** bend,
    )
    return Shading(
        table=table,
        blur=augment.blur * blur,
        noise=255 * augment.noise * noise,
        noise_key=(*noise_key, _NOISE_STREAM),
        cutout=(row, column, augment.cutout * side),
    )


def shade_table(*, brightness: float, contrast: float, gamma: float) -> np.ndarray:
    """Return the new grey of each grey, as another window would show it: float32 (256,) in [0, 255].

    Args:
        brightness: share of the range that is added: the window's centre moves down by it.
        contrast: factor around the middle grey: the window's width is divided by it.
        gamma: exponent over [0, 1]; above 1 darkens the middle.

    >>> shade_table(brightness=0.0, contrast=1.0, gamma=1.0)[[0, 100, 255]].tolist()
    [0.0, 100.0, 255.0]
    """
    grey = np.arange(256) / 255
    windowed = np.clip((grey - 0.5) * contrast + 0.5 + brightness, 0.0, 1.0)
    return (255 * windowed**gamma).astype(np.float32)
