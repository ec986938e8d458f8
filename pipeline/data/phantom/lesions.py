"""COVID-like lesions: multifocal, peripheral, towards back and bases, from faint and small to large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.geometry import SIZE
from pipeline.data.phantom.lungs import Body, Field, LungVolume, smooth_noise

Kind = Literal["ground-glass", "mixed", "crazy-paving", "consolidation", "reversed-halo"]
_KINDS: tuple[Kind, ...] = ("ground-glass", "mixed", "crazy-paving", "consolidation", "reversed-halo")
_CHANCE = (0.46, 0.22, 0.16, 0.11, 0.05)
_FEATHER_MM = 4.5


@dataclass(frozen=True)
class Lesion:
    """One focus, an uneven ellipsoid in the slice's frame (mm)."""

    kind: Kind
    center: tuple[float, float, float]  # column, row, plane
    radii: tuple[float, float, float]
    density: float  # HU added to healthy lung at full strength
    seed: int


@dataclass(frozen=True)
class Opacity:
    """What disease adds to one slice's lungs; every field (SIZE, SIZE)."""

    haze: Field  # HU added; vessels shine through
    solid: Field  # share replaced by solid tissue, vessels drowned, airways open
    mask: NDArray[np.bool_]  # where it counts as lesion
    kinds: tuple[str, ...]


def draw_lesions(body: Body, volume: LungVolume) -> tuple[Lesion, ...]:
    """Draw the foci of one patient: few and faint up to many and large."""
    rng = np.random.default_rng([body.traits.seed, 4])
    severity = rng.random()
    count = 4 + int(rng.poisson(4 + 15 * severity**1.3))
    scale = body.traits.scale[1]
    centers = volume.sample(rng, count, weight=_predilection(body, volume, rng))
    habit = rng.dirichlet(np.array(_CHANCE) * 6)  # a patient's foci resemble each other
    lesions = []
    for center in centers:
        size = float(np.clip(rng.lognormal(np.log(11 + 16 * severity), 0.55), 4, 65)) * scale
        flat = rng.uniform(0.55, 1.0, 3)
        lesions.append(
            Lesion(
                kind=_KINDS[int(rng.choice(len(_KINDS), p=habit))],
                center=(float(center[0]), float(center[1]), float(center[2])),
                radii=tuple((size * np.array([1.25, 1, 0.7]) * flat + [0, 0, 0.8 * size]).tolist()),
                density=float(rng.uniform(110, 470)),
                seed=int(rng.integers(1 << 30)),
            )
        )
    return tuple(lesions)


def _predilection(body: Body, volume: LungVolume, rng: np.random.Generator) -> Field:
    """Return how likely a focus begins at each place of the coarse grid."""
    level = (volume.planes / body.traits.length_mm)[:, None, None]
    near_wall = np.exp(-volume.wall_mm / rng.uniform(9, 20)) + 0.03
    rows = np.linspace(-1, 1, volume.lung.shape[1])[None, :, None] * (-1 if body.traits.is_prone else 1)
    low = 0.25 + np.clip(level - 0.15, 0, 1)
    return (near_wall * np.exp(1.5 * rows) * low).astype(np.float32)


def paint_lesions(lesions: tuple[Lesion, ...], body: Body, plane: float) -> Opacity:
    """Return what the foci add to the slice at depth `plane` (mm)."""
    haze = np.zeros((SIZE, SIZE), np.float32)
    solid = np.zeros((SIZE, SIZE), np.float32)
    extent = np.zeros((SIZE, SIZE), np.float32)
    kinds = set()
    for lesion in lesions:
        window = _window(lesion, body.traits.spacing, plane)
        if window is None:
            continue
        strength, grain = _strength(lesion, window, body, plane)
        if strength.max() < 0.3:
            continue
        kinds.add(lesion.kind)
        area = tuple(slice(a, b) for a, b in window)
        spot_haze, spot_solid = _APPEARANCE[lesion.kind](lesion, strength, grain, body, plane, area)
        haze[area] = np.maximum(haze[area], spot_haze)
        solid[area] = np.maximum(solid[area], spot_solid)
        extent[area] = np.maximum(extent[area], strength)
    return Opacity(haze, solid, extent > 0.4, tuple(sorted(kinds)))


def _window(lesion: Lesion, spacing: float, plane: float) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return (top, bottom), (left, right) of the pixels that a focus can reach, None if there are none."""
    if abs(plane - lesion.center[2]) > lesion.radii[2] * 1.35:
        return None
    bounds = []
    for center, radius in ((lesion.center[1], lesion.radii[1]), (lesion.center[0], lesion.radii[0])):
        low, high = (center - 1.6 * radius - 4) / spacing, (center + 1.6 * radius + 4) / spacing
        bounds.append((max(0, int(low)), min(SIZE, int(high) + 1)))
    return None if any(high - low < 4 for low, high in bounds) else (bounds[0], bounds[1])


def _strength(
    lesion: Lesion, window: tuple[tuple[int, int], tuple[int, int]], body: Body, plane: float
) -> tuple[Field, Field]:
    """Return how strongly each pixel of the window belongs to the focus, [0, 1], and a texture."""
    (top, bottom), (left, right) = window
    spacing = body.traits.spacing
    (column, row, depth), (width, height, length) = lesion.center, lesion.radii
    rows = (np.arange(top, bottom, dtype=np.float32)[:, None] * spacing - row) / height
    columns = (np.arange(left, right, dtype=np.float32)[None, :] * spacing - column) / width
    deep = (plane - depth) / length
    distance = np.sqrt(rows**2 + columns**2 + deep**2)
    shape = (right - left, bottom - top)
    extent_mm = max(shape) * spacing
    coarse = _patch(lesion.seed, plane, shape, cells=max(4, round(extent_mm / 13)))
    fine = _patch(lesion.seed + 1, plane, shape, cells=max(6, round(extent_mm / 5)))
    grain = _patch(lesion.seed + 2, plane, shape, cells=max(8, round(extent_mm / 2.2)))
    edge = 1 - distance + 0.19 * coarse + 0.06 * fine
    feather = _FEATHER_MM / np.mean(lesion.radii[:2])
    return np.clip(edge / (2 * feather) + 0.5, 0, 1).astype(np.float32), 0.5 * fine + 0.8 * grain


def _patch(seed: int, plane: float, shape: tuple[int, int], *, cells: int) -> Field:
    noise = smooth_noise(seed, plane, cells=cells, size=cells, depth_mm=9)
    return cv2.resize(noise, shape, interpolation=cv2.INTER_CUBIC)


def _ground_glass(
    lesion: Lesion, strength: Field, grain: Field, body: Body, plane: float, area: tuple[slice, ...]
) -> tuple[Field, Field]:
    return strength * lesion.density * np.clip(0.92 + 0.15 * grain, 0.4, 1.4), np.zeros_like(strength)


def _mixed(
    lesion: Lesion, strength: Field, grain: Field, body: Body, plane: float, area: tuple[slice, ...]
) -> tuple[Field, Field]:
    haze, _ = _ground_glass(lesion, strength, grain, body, plane, area)
    core = np.clip((strength - 0.8) * 3 + 0.3 * grain - 0.1, 0, 1)
    return haze, 0.8 * cv2.GaussianBlur(core.astype(np.float32), (0, 0), 1.0)


def _crazy_paving(
    lesion: Lesion, strength: Field, grain: Field, body: Body, plane: float, area: tuple[slice, ...]
) -> tuple[Field, Field]:
    haze, solid = _ground_glass(lesion, strength, 0.5 * grain, body, plane, area)
    lines = septal_lines(lesion.seed % 7, body, plane)[area]
    return haze + strength * lines * 150, solid


def _consolidation(
    lesion: Lesion, strength: Field, grain: Field, body: Body, plane: float, area: tuple[slice, ...]
) -> tuple[Field, Field]:
    solid = np.clip(1.35 * strength - 0.38 + 0.12 * grain * strength, 0, 0.96)
    return np.clip(1.6 * strength, 0, 1) * 280, cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 1.2)


def _reversed_halo(
    lesion: Lesion, strength: Field, grain: Field, body: Body, plane: float, area: tuple[slice, ...]
) -> tuple[Field, Field]:
    rim = max(2, round(3.2 / body.traits.spacing))
    inner = cv2.erode(strength, np.ones((3, 3), np.uint8), iterations=rim)
    ring = np.clip(strength - cv2.GaussianBlur(inner, (0, 0), 1.2), 0, 1)
    haze = strength * np.clip(lesion.density, 130, 260) * (0.9 + 0.15 * grain)
    return haze, 0.9 * np.clip(ring * 1.4, 0, 1)


_APPEARANCE = {
    "ground-glass": _ground_glass,
    "mixed": _mixed,
    "crazy-paving": _crazy_paving,
    "consolidation": _consolidation,
    "reversed-halo": _reversed_halo,
}


def septal_lines(seed: int, body: Body, plane: float, *, width: float = 0.16) -> Field:
    """Return a network of thickened septa, (SIZE, SIZE) in [0, 1]: the zero lines of two smooth fields."""
    cells = round(SIZE * body.traits.spacing / 7.5)
    lines = np.zeros((SIZE, SIZE), np.float32)
    for shift in (31, 57):
        field = smooth_noise(seed + shift, plane, cells=cells, size=SIZE, depth_mm=8)
        lines = np.maximum(lines, np.exp(-((field / width) ** 2)))
    return lines
