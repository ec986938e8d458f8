"""Where the lungs are, and healthy lung: density, fissures, texture."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.abdomen import Abdomen
from pipeline.data.phantom.geometry import SIZE, SUPERSAMPLING, Canvas, Warp, blob
from pipeline.data.phantom.mediastinum import Mediastinum
from pipeline.data.phantom.skeleton import SPINE_ROW
from pipeline.data.phantom.torso import LUNG_TOP, chest_wall
from pipeline.data.phantom.traits import Traits

Field = NDArray[np.float32]

COARSE = 128  # pixels a side of the volume in which vessels and lesions are placed
HALF = SIZE // 2  # pixels a side of the fields that vary slowly
_COARSE_PLANES = 26


@dataclass(frozen=True)
class Body:
    """All of one patient that does not change from slice to slice."""

    traits: Traits
    warp: Warp
    mediastinum: Mediastinum
    abdomen: Abdomen
    # The diaphragm by the grid's side, worked out when first needed: level at each place.
    domes: dict[int, Field] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, traits: Traits) -> Body:
        """Draw the body that belongs to the traits."""
        rng = np.random.default_rng([traits.seed, 2])
        warp = Warp.random(rng, scale=traits.scale, strength=1.15)
        return cls(traits, warp, Mediastinum.random(rng, traits), Abdomen.random(rng, traits))

    def canvas(self, plane: float, *, size: int = SIZE * SUPERSAMPLING) -> Canvas:
        """Return an empty canvas at depth `plane` (mm)."""
        traits = self.traits
        center = _center_mm(traits)
        return Canvas(plane=plane, spacing=traits.spacing, warp=self.warp, center=center, size=size)

    def to_slice_mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (n, 3) of the patient in the slice's frame: column, row, plane (mm)."""
        origin = SIZE / 2 * self.traits.spacing + np.array(_center_mm(self.traits))
        flat = self.warp(points[:, :2], points[:, 2:3]) + origin
        return np.column_stack([flat, points[:, 2]])


def _center_mm(traits: Traits) -> tuple[float, float]:
    return traits.center[0] * traits.spacing, traits.center[1] * traits.spacing


def lung_alpha(body: Body, plane: float, *, size: int = SIZE) -> Field:
    """Return how much of each pixel is lung, (size, size) in [0, 1], at depth `plane` (mm)."""
    level = plane / body.traits.length_mm
    if level < LUNG_TOP or level > 1.0:
        return np.zeros((size, size), np.float32)
    fine = size * SUPERSAMPLING if size == SIZE else size
    canvas = body.canvas(plane, size=fine)
    canvas.fill(chest_wall(level), 255)
    body.mediastinum.paint_lung_limits(canvas, level, 0)
    row = float(SPINE_ROW.at(level))
    canvas.fill(blob((0, row + 4), (19 + 3 * level, 21 + 2 * level)), 0)
    canvas.fill(np.array([(-2.0, -120), (2.0, -120), (12, 120), (-12, 120)]), 0)
    if body.traits.missing_side:
        edge = body.traits.missing_side * 300.0
        canvas.fill(np.array([(0, -300), (edge, -300), (edge, 300), (0, 300)]), 0)
    mask = canvas.pixels
    if fine != size:
        mask = cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)
    # Corners between neighbouring organs are filled with fat: blur, then make the edge steep again.
    sigma = 3.0 / body.traits.spacing * size / SIZE
    soft = cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.6)).astype(np.float32) / 255
    alpha = np.clip((soft - 0.5) * (2.2 * max(sigma, 0.6)) + 0.5, 0, 1)
    return (alpha * _above_diaphragm(body, canvas, level, size)).astype(np.float32)


def _above_diaphragm(body: Body, canvas: Canvas, level: float, size: int) -> Field | float:
    if level < min(body.abdomen.right_top, body.abdomen.left_top) - 0.03:
        return 1.0
    side = min(size, HALF)
    if side not in body.domes:
        columns, rows = canvas.grid_mm(canvas.pixels.shape[0] // side)
        body.domes[side] = body.abdomen.dome_level(columns, rows).astype(np.float32)
    dome = body.domes[side]
    # A thick slice holds both lung and liver where the dome is flat: the edge is soft there.
    softness = max(body.traits.scanner.thickness_mm, 1.5) / body.traits.length_mm
    above = np.clip((dome - level) / softness + 0.5, 0, 1)
    return above if size <= HALF else cv2.resize(above, (size, size), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class LungVolume:
    """Both lungs on a coarse grid: where vessels and lesions may lie."""

    planes: NDArray[np.float64]  # (n,) mm
    lung: NDArray[np.bool_]  # (n, COARSE, COARSE)
    wall_mm: Field  # (n, COARSE, COARSE): distance to the rib cage or the diaphragm
    pixel_mm: float

    @classmethod
    def of(cls, body: Body) -> LungVolume:
        """Sample the lungs of `body`."""
        length = body.traits.length_mm
        planes = np.linspace(LUNG_TOP + 0.008, 0.985, _COARSE_PLANES) * length
        pixel_mm = body.traits.spacing * SIZE / COARSE
        lung, distance = [], []
        for plane in planes:
            lung.append(lung_alpha(body, plane, size=COARSE) > 0.5)
            canvas = body.canvas(plane, size=COARSE)
            canvas.fill(chest_wall(plane / length), 255)
            distance.append(cv2.distanceTransform(canvas.pixels, cv2.DIST_L2, 3) * pixel_mm)
        return cls(planes, np.array(lung), np.array(distance, np.float32), pixel_mm)

    def sample(
        self, rng: np.random.Generator, count: int, *, weight: Field | None = None, right: bool | None = None
    ) -> NDArray[np.float64]:
        """Return random points of the lungs, (count, 3) column, row, plane in the slice's frame (mm)."""
        chance = self.lung.astype(np.float64) if weight is None else self.lung * weight.astype(np.float64)
        if right is not None:
            chance = chance.copy()
            chance[:, :, COARSE // 2 :] *= not right
            chance[:, :, : COARSE // 2] *= right
        total = np.cumsum(chance.ravel())
        if not total.size or total[-1] <= 0:
            return np.zeros((0, 3))
        index = np.searchsorted(total, rng.random(count) * total[-1])
        plane, row, column = np.unravel_index(np.minimum(index, total.size - 1), self.lung.shape)
        step = self.planes[1] - self.planes[0]
        points = np.column_stack([column, row, plane]) + rng.uniform(0, 1, (count, 3))
        return np.column_stack([points[:, :2] * self.pixel_mm, self.planes[0] + (points[:, 2] - 0.5) * step])


@lru_cache(maxsize=256)
def _noise_plane(seed: int, index: int, cells: int) -> Field:
    return np.random.default_rng([seed, index, cells]).standard_normal((cells, cells), dtype=np.float32)


def smooth_noise(seed: int, plane: float, *, cells: int, size: int, depth_mm: float = 12.0) -> Field:
    """Return noise of unit variance, (size, size), that changes slowly across the slice and between slices.

    Args:
        cells: random values a side; the rest is interpolated.
        depth_mm: distance between independent planes.
    """
    index, share = divmod(plane / depth_mm, 1.0)
    first, second = _noise_plane(seed, int(index), cells), _noise_plane(seed, int(index) + 1, cells)
    mixed = (first * (1 - share) + second * share) / np.hypot(share, 1 - share)
    return 1.35 * cv2.resize(mixed.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


def fissure_rows(body: Body, columns: Field, level: float) -> Field:
    """Return the row (mm) of the oblique fissure in each column: upper lobe in front, lower behind."""
    side = np.where(columns < 0, -1.0, 1.0)
    phase = body.traits.seed % 7
    sway = np.where(columns < 0, -9.0 + 3 * phase, 12.0 - 3 * phase) + 4 * np.sin(columns / 23 + phase)
    return (
        58
        + sway
        - 285 * (level - 0.28)
        - side * 0.2 * (columns - side * 70)
        - 10 * ((columns * side - 72) / 55) ** 2
    )


def healthy_lung(body: Body, canvas: Canvas, level: float) -> Field:
    """Return the density of lung without vessels, HU (SIZE, SIZE): denser below, a line at the fissure."""
    traits = body.traits
    columns, rows = (grid.astype(np.float32) for grid in canvas.grid_mm(canvas.pixels.shape[0] // HALF))
    down = -1.0 if traits.is_prone else 1.0
    seed = traits.seed
    field = traits.lung_hu + 0.42 * down * rows + 8 * smooth_noise(seed, canvas.plane, cells=14, size=HALF)
    field += 7 * smooth_noise(seed + 1, canvas.plane, cells=48, size=HALF)
    field += 9 * smooth_noise(seed + 2, canvas.plane, cells=128, size=HALF, depth_mm=5)
    if 0.24 < level < 0.78:
        thick = traits.scanner.thickness_mm
        away = (rows - fissure_rows(body, columns, level)) / (0.6 + 0.3 * thick)
        # Seldom seen along its whole course.
        seen = np.clip(0.35 + 0.8 * smooth_noise(seed + 3, canvas.plane, cells=9, size=HALF), 0, 1)
        field += (
            seen * 150 / (1 + 0.35 * thick) * np.exp(-(away**2)) * np.clip((np.abs(columns) - 22) / 10, 0, 1)
        )
    return cv2.resize(field.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
