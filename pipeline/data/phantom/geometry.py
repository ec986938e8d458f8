"""Shapes of a phantom in millimetres, and the canvas that turns them into pixels.

A patient lives in millimetres: column (positive to the patient's left, the image's right), row (positive to
the back, the image's bottom), plane (positive to the feet). `level` is plane divided by the patient's length,
0 at the neck and 1 in the upper abdomen. Contours are tables at a few levels, interpolated between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Points = NDArray[np.float64]  # (n, 2): column, row in millimetres
Pair = Sequence[float] | NDArray[np.float64]  # column, row
Mask = NDArray[np.uint8]

SIZE = 512  # pixels a side of a finished slice
SUPERSAMPLING = 2  # contours are painted finer and averaged down, as a detector averages
STEPS = 10  # spline points between two control points of a contour
_SUBPIXEL_BITS = 3


@dataclass(frozen=True)
class Keyframes:
    """Values at a few levels, interpolated between them without overshoot."""

    interpolator: PchipInterpolator
    first: float
    last: float

    @classmethod
    def of(cls, table: dict[float, object]) -> Keyframes:
        """Make keyframes of a table level -> number, or level -> nested sequence of numbers."""
        levels = sorted(table)
        values = np.array([table[level] for level in levels], float)
        return cls(PchipInterpolator(levels, values, axis=0), levels[0], levels[-1])

    def at(self, level: float) -> NDArray[np.float64]:
        """Return the values at `level`, those of the nearest end outside the table."""
        return np.asarray(self.interpolator(min(max(level, self.first), self.last)))


@lru_cache(maxsize=64)
def _spline_basis(count: int, closed: bool) -> NDArray[np.float64]:
    """Return the matrix (points out, control points) of a Catmull-Rom spline."""
    fraction = np.arange(STEPS) / STEPS
    weights = 0.5 * np.stack(
        [
            -fraction + 2 * fraction**2 - fraction**3,
            2 - 5 * fraction**2 + 3 * fraction**3,
            fraction + 4 * fraction**2 - 3 * fraction**3,
            -(fraction**2) + fraction**3,
        ],
        axis=1,
    )
    segments = count if closed else count - 1
    basis = np.zeros((segments * STEPS + (0 if closed else 1), count))
    for segment in range(segments):
        rows = np.arange(STEPS) + segment * STEPS
        for k in range(4):
            index = segment + k - 1
            basis[rows, index % count if closed else min(max(index, 0), count - 1)] += weights[:, k]
    if not closed:
        basis[-1, -1] = 1
    return basis


def spline(control: Iterable[Sequence[float]] | Points, *, closed: bool = True) -> NDArray[np.float64]:
    """Return a smooth curve through the control points, `STEPS` points for each."""
    points = np.asarray(control, float)
    return _spline_basis(len(points), closed) @ points


def mirrored(half: Points) -> Points:
    """Return the closed control polygon of a half one (front to back midline) and its mirror image."""
    other = half[-2:0:-1] * [-1, 1]
    return np.vstack([half, other])


def offset(contour: Points, distance: float | NDArray[np.float64]) -> Points:
    """Return a closed contour moved outwards by `distance` (mm; one number or one for each point)."""
    tangent = np.roll(contour, -1, axis=0) - np.roll(contour, 1, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    outwards = np.sign(np.sum(normal * (contour - contour.mean(axis=0))))
    return contour + outwards * normal * np.broadcast_to(distance, len(contour))[:, None]


def blob(
    center: Pair, radii: Pair, *, angle: float = 0.0, bumps: NDArray[np.float64] | None = None
) -> Points:
    """Return a closed organic outline: an ellipse whose radius wavers with the angle.

    Args:
        center: column, row in mm.
        radii: half axes in mm, before `angle` (radians) turns them.
        bumps: (harmonics, 2) amplitudes of cosine and sine, relative to the radius, from the second on.
    """
    theta = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = np.ones_like(theta)
    if bumps is not None:
        for harmonic, (cosine, sine) in enumerate(bumps, start=2):
            radius += cosine * np.cos(harmonic * theta) + sine * np.sin(harmonic * theta)
    outline = np.stack([radii[0] * radius * np.cos(theta), radii[1] * radius * np.sin(theta)], axis=1)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return outline @ turn + np.asarray(center, float)


@dataclass(frozen=True)
class Warp:
    """A smooth displacement of the whole patient: two of them differ, and no side mirrors the other."""

    frequency: NDArray[np.float64]  # (waves, 3), radians a mm along column, row, plane
    phase: NDArray[np.float64]  # (waves,)
    amplitude: NDArray[np.float64]  # (waves, 2), mm along column, row
    scale: NDArray[np.float64]  # (2,)

    @classmethod
    def random(cls, rng: np.random.Generator, *, scale: tuple[float, float], strength: float = 1.0) -> Warp:
        """Draw a warp; `scale` widens (column) and deepens (row) the patient."""
        wavelength = rng.uniform([90, 90, 180], [260, 260, 500], (7, 3))
        frequency = 2 * np.pi / wavelength * rng.choice([-1.0, 1.0], (7, 3))
        amplitude = rng.normal(0, strength, (7, 2)) * (wavelength[:, :2].mean(axis=1, keepdims=True) / 170)
        return cls(frequency, rng.uniform(0, 2 * np.pi, 7), amplitude, np.array(scale))

    def __call__(self, points: Points, plane: float | NDArray[np.float64]) -> Points:
        """Return `points` (mm) displaced as they are at depth `plane` (mm)."""
        angle = points @ self.frequency[:, :2].T + (self.frequency[:, 2] * plane + self.phase)
        return (points + np.sin(angle) @ self.amplitude) * self.scale


@dataclass(frozen=True)
class Tube:
    """A round body swept along a curve: vessel, bronchus, clavicle. Any plane cuts it correctly."""

    path: NDArray[np.float64]  # (n, 3): column, row, plane in mm, a point every ~1.5 mm
    radius: NDArray[np.float64]  # (n,) mm
    bottom: float = np.inf  # plane (mm) where it ends abruptly

    @classmethod
    def through(cls, stations: Sequence[Sequence[float]] | NDArray[np.float64], length: float) -> Tube:
        """Make a tube through stations (column, row, level, radius) of a patient of `length` mm."""
        table = np.asarray(stations, float) * [1, 1, length, 1]
        distance = np.r_[0, np.cumsum(np.linalg.norm(np.diff(table[:, :3], axis=0), axis=1))]
        dense = np.arange(0, distance[-1], 1.5)
        curve = PchipInterpolator(distance, table, axis=0)(dense)
        return cls(curve[:, :3], curve[:, 3])

    def section(self, plane: float, *, grow: float = 0.0) -> tuple[Points, NDArray[np.float64]]:
        """Return centres and radii (mm) of the discs that the plane cuts, `grow` mm wider all around."""
        radius = self.radius + grow
        squared = radius**2 - (self.path[:, 2] - plane) ** 2
        hit = squared > 0.04
        return self.path[hit, :2], np.sqrt(squared[hit])


class Canvas:
    """An uint8 picture finer than the slice, painted in the patient's millimetres at one plane."""

    def __init__(
        self, *, plane: float, spacing: float, warp: Warp, center: tuple[float, float], size: int
    ) -> None:
        self.pixels: Mask = np.zeros((size, size), np.uint8)
        self.plane = plane
        self._warp = warp
        self._scale = size / SIZE / spacing  # pixels a millimetre
        self._center = np.array([size / 2, size / 2]) + np.asarray(center) * self._scale

    def blank_copy(self) -> Canvas:
        """Return an empty canvas of the same geometry."""
        other = object.__new__(Canvas)
        other.__dict__.update(self.__dict__, pixels=np.zeros_like(self.pixels))
        return other

    def to_pixels(self, points: Points) -> NDArray[np.float64]:
        """Return points (mm, unwarped patient) as column, row in this canvas's pixels."""
        return self._warp(np.asarray(points, float), self.plane) * self._scale + self._center

    def grid_mm(self, stride: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return column and row (mm, the warp's waves ignored) of every `stride`-th pixel's centre."""
        side = np.arange(0, self.pixels.shape[0], stride) + stride / 2
        columns, rows = np.meshgrid(side - self._center[0], side - self._center[1])
        return columns / self._scale / self._warp.scale[0], rows / self._scale / self._warp.scale[1]

    def fill(self, points: Points, value: int) -> None:
        """Fill a closed contour."""
        fixed = np.round(self.to_pixels(points) * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], int(value), lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)

    def discs(self, centers: Points, radii: NDArray[np.float64], value: int) -> None:
        """Fill discs; radii in mm."""
        if not len(centers):
            return
        fixed = np.round(self.to_pixels(centers) * 2**_SUBPIXEL_BITS).astype(int)
        scale = self._scale * self._warp.scale.mean() * 2**_SUBPIXEL_BITS
        widths = np.round(np.asarray(radii) * scale).astype(int)
        for (column, row), width in zip(fixed.tolist(), widths.tolist(), strict=True):
            cv2.circle(self.pixels, (column, row), width, int(value), -1, cv2.LINE_8, _SUBPIXEL_BITS)

    def stroke(self, points: Points, width: float, value: int) -> None:
        """Draw an open curve, `width` mm thick."""
        fixed = np.round(self.to_pixels(points) * 2**_SUBPIXEL_BITS).astype(np.int32)
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self.pixels, [fixed], False, int(value), thickness, cv2.LINE_8, _SUBPIXEL_BITS)
