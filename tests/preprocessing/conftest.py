"""Slices drawn by hand, whose lungs are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

AIR, LUNG, TISSUE, BONE = -1000.0, -850.0, 40.0, 700.0


def ellipse(size: int, center: tuple[int, int], axes: tuple[int, int]) -> NDArray[np.bool_]:
    """A filled ellipse: centre and half axes as (column, row)."""
    return cv2.ellipse(np.zeros((size, size), np.uint8), center, axes, 0, 0, 360, 1, cv2.FILLED) > 0


def draw_chest(size: int = 256, *, noise: float = 20.0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a chest in HU (size, size) with table, trachea and two lungs, and the lungs' mask."""
    unit = size / 256
    scaled = lambda *values: tuple(round(v * unit) for v in values)  # noqa: E731
    slice_hu = np.full((size, size), AIR, np.float32)
    slice_hu[ellipse(size, scaled(128, 128), scaled(112, 84))] = TISSUE
    lungs = ellipse(size, scaled(80, 124), scaled(34, 56)) | ellipse(size, scaled(176, 124), scaled(34, 56))
    slice_hu[lungs] = LUNG
    slice_hu[ellipse(size, scaled(128, 112), scaled(7, 7))] = AIR
    slice_hu[ellipse(size, scaled(128, 184), scaled(14, 14))] = BONE
    slice_hu[round(228 * unit) : round(234 * unit)] = 100
    return slice_hu + np.random.default_rng(0).normal(0, noise, slice_hu.shape).astype(np.float32), lungs


def dice(mask: NDArray, reference: NDArray) -> float:
    """Dice's coefficient of two masks."""
    found, known = mask > 0, reference > 0
    return float(2 * (found & known).sum() / (found.sum() + known.sum()))


@pytest.fixture(scope="session")
def chest() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A drawn chest of 256 x 256 in HU, and its lungs."""
    return draw_chest()


@pytest.fixture(scope="session")
def noisy_mask() -> NDArray[np.uint8]:
    """A ragged binary picture, 0 and 255, that touches all borders."""
    noise = np.random.default_rng(1).normal(size=(120, 150)).astype(np.float32)
    return ((cv2.GaussianBlur(noise, (0, 0), 3) > 0) * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def textured() -> NDArray[np.uint8]:
    """An 8-bit picture with edges, gradients and noise."""
    rows, columns = np.mgrid[:120, :150]
    image = 80 + rows / 2 + 60 * (np.hypot(rows - 60, columns - 70) < 30)
    return (image + np.random.default_rng(2).normal(0, 6, image.shape)).clip(0, 255).astype(np.uint8)
