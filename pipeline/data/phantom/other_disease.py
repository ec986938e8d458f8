"""Disease that is not COVID-like: what a detector of "any opacity" would mistake for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.geometry import SIZE, Canvas
from pipeline.data.phantom.lesions import septal_lines
from pipeline.data.phantom.lungs import HALF, Body, Field, LungVolume, fissure_rows, smooth_noise

_SEEN_PIXELS = 60.0  # fewer than these and a finding is not in the slice


@dataclass(frozen=True)
class OtherDisease:
    """One patient's findings besides COVID-like lesions."""

    seed: int
    findings: tuple[str, ...]
    side: int  # -1 right, 1 left: where a one-sided finding lies
    is_bilateral: bool
    severity: float
    nodules: NDArray[np.float64]  # (n, 4): column, row, plane, radius, mm, slice's frame
    masses: NDArray[np.float64]  # likewise
    is_upper_lobe: bool

    @classmethod
    def of(cls, body: Body, volume: LungVolume) -> OtherDisease:
        """Draw the findings that the patient's traits name."""
        rng = np.random.default_rng([body.traits.seed, 5])
        nodules = masses = np.zeros((0, 4))
        if "nodules" in body.traits.findings:
            places = volume.sample(rng, int(rng.integers(3, 40)))
            nodules = np.column_stack([places, rng.lognormal(np.log(3.2), 0.4, len(places))])
        if "mass" in body.traits.findings:
            places = volume.sample(rng, 1, weight=(volume.wall_mm < 60).astype(np.float32))
            masses = np.column_stack([places, rng.uniform(11, 34, len(places))])
        side = -body.traits.missing_side or int(rng.choice([-1, 1]))
        return cls(
            seed=body.traits.seed,
            findings=body.traits.findings,
            side=side,
            is_bilateral=bool(rng.random() < 0.45),
            severity=float(rng.random()),
            nodules=nodules,
            masses=masses,
            is_upper_lobe=bool(rng.random() < 0.4),
        )


@dataclass(frozen=True)
class Effect:
    """What the other findings do to one slice; every field (SIZE, SIZE)."""

    fluid: Field  # share of pleural fluid: no lung there
    haze: Field  # HU added to lung
    solid: Field  # share of lung replaced by solid tissue
    holes: Field  # share of lung that is destroyed (air)
    mask: NDArray[np.bool_]
    findings: tuple[str, ...]


def paint_other(disease: OtherDisease, body: Body, canvas: Canvas, level: float, alpha: Field) -> Effect:
    """Return the effect of all findings at `level`; `alpha` is the lung of the slice without them."""
    place = _place(disease, body, canvas, level, alpha)
    total = _Part()
    seen = []
    for finding in disease.findings:
        part = _FINDINGS[finding](place)
        shown = part.fluid if finding == "effusion" else part.mask
        if float((shown * alpha).sum()) > _SEEN_PIXELS:
            seen.append(finding)
        total = total.joined(part)
    return Effect(total.fluid, total.haze, total.solid, total.holes, total.mask, tuple(seen))


@dataclass(frozen=True)
class _Place:
    """Where a finding is painted: the slice's geometry at half resolution, and its lungs."""

    disease: OtherDisease
    body: Body
    canvas: Canvas
    level: float
    alpha: Field  # (SIZE, SIZE)
    columns: Field  # (HALF, HALF) mm
    rows: Field
    down: Field  # rows along gravity


def _place(disease: OtherDisease, body: Body, canvas: Canvas, level: float, alpha: Field) -> _Place:
    columns, rows = (g.astype(np.float32) for g in canvas.grid_mm(canvas.pixels.shape[0] // HALF))
    return _Place(disease, body, canvas, level, alpha, columns, rows, -rows if body.traits.is_prone else rows)


def _zero() -> Field:
    return np.zeros((SIZE, SIZE), np.float32)


@dataclass(frozen=True)
class _Part:
    """What one finding does to a slice."""

    fluid: Field = field(default_factory=_zero)
    haze: Field = field(default_factory=_zero)
    solid: Field = field(default_factory=_zero)
    holes: Field = field(default_factory=_zero)

    @property
    def mask(self) -> NDArray[np.bool_]:
        return (self.solid > 0.35) | (self.haze > 90) | (self.holes > 0.5)

    def joined(self, other: _Part) -> _Part:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return _Part(*(np.maximum(one, two) for one, two in pairs))


def _full(field: Field) -> Field:
    return cv2.resize(field.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def _effusion(place: _Place) -> _Part:
    """Return fluid that lies lowest and climbs at the sides, and the lung pressed together above it."""
    disease, columns, level = place.disease, place.columns, place.level
    lowest = 86 - 74 * disease.severity * np.clip((level - 0.2) / 0.5, 0, 1) ** 0.8
    away = np.abs(columns) - 72
    ripple = 3 * np.sin(columns / 17 + disease.seed)
    depth = place.down - (lowest - 0.011 * away**2 + ripple)
    sides = np.where(columns * disease.side > 0, 1.0, float(disease.is_bilateral))
    fluid = np.clip(depth / 2.5 + 0.5, 0, 1) * sides
    pressed = np.clip((depth + 5 + 9 * disease.severity) / 6, 0, 1) * sides
    return _Part(fluid=_full(fluid), solid=_full(pressed * (0.55 + 0.4 * disease.severity)))


def _atelectasis(place: _Place) -> _Part:
    """Return the haze and the narrow dense band of lung that collapses under its own weight."""
    disease, traits = place.disease, place.body.traits
    lung = (place.alpha > 0.5).astype(np.uint8)
    up = -1 if not traits.is_prone else 1
    reach = (3 + 13 * disease.severity) * (0.4 + place.level) / traits.spacing
    # The lung moved against gravity by `reach` leaves uncovered what lies lowest.
    shifted = cv2.warpAffine(lung, np.array([[1, 0, 0], [0, 1, up * reach]], np.float32), (SIZE, SIZE))
    low = _full(np.clip((place.down - 8) / 30, 0, 1))
    band = cv2.GaussianBlur((lung * (1 - shifted)).astype(np.float32), (0, 0), 0.16 * reach + 0.8) * low
    uneven = smooth_noise(disease.seed + 11, place.canvas.plane, cells=22, size=SIZE)
    haze = np.clip((1.3 * band - 0.2) * (330 + 160 * uneven), 0, 600)
    return _Part(haze=haze, solid=np.clip(band * 1.5 - 1.0 + 0.3 * uneven, 0, 0.8))


def _lobar_consolidation(place: _Place) -> _Part:
    """Return a pneumonia that keeps to one lobe, with the fissure as its border."""
    disease, columns, rows, level = place.disease, place.columns, place.rows, place.level
    plane = place.canvas.plane
    border = fissure_rows(place.body, columns, level)
    behind = (rows - border + 2.5 * smooth_noise(disease.seed + 7, plane, cells=14, size=HALF)) / 2.5
    inside = np.clip((-behind if disease.is_upper_lobe else behind) + 0.5, 0, 1)
    inside = inside * (columns * disease.side > 0)
    middle = 0.33 if disease.is_upper_lobe else 0.62
    span = (0.09 + 0.12 * disease.severity) * (0.8 if disease.is_upper_lobe else 1)
    along = (
        1.15
        - ((level - middle) / span) ** 2
        + 0.32 * smooth_noise(disease.seed + 5, plane, cells=9, size=HALF)
    )
    full = np.clip(2.2 * along, 0, 1) * inside
    patches = smooth_noise(disease.seed + 6, plane, cells=28, size=HALF)
    solid = np.clip(full * (1.3 + 0.3 * patches) - 0.25, 0, 0.97)
    return _Part(haze=_full(np.clip(2.2 * along + 0.5, 0, 1) * inside * 180), solid=_full(solid))


def _reticulation(place: _Place) -> _Part:
    """Return coarse lines and honeycombs under the pleura of the bases, both sides alike."""
    disease, plane = place.disease, place.canvas.plane
    lung = (place.alpha > 0.5).astype(np.uint8)
    inside = cv2.distanceTransform(lung, cv2.DIST_L2, 3) * place.body.traits.spacing
    reach = 1.0 + (8 + 22 * disease.severity) * max(place.level - 0.1, 0.0) ** 0.7
    near = np.exp(-((inside / reach) ** 2))
    lines = septal_lines(disease.seed % 1000, place.body, plane, width=0.28)
    cysts = np.clip(smooth_noise(disease.seed + 8, plane, cells=120, size=SIZE, depth_mm=4) - 0.5, 0, 1)
    honeycomb = near * cysts * (disease.severity > 0.45)
    haze = near * (50 + 330 * lines) * (near > 0.02)
    return _Part(haze=haze.astype(np.float32), holes=honeycomb.astype(np.float32))


def _emphysema(place: _Place) -> _Part:
    """Return destroyed lung: small holes in the upper lobes, with bullae where it is severe."""
    disease, plane, level = place.disease, place.canvas.plane, place.level
    small = smooth_noise(disease.seed + 21, plane, cells=60, size=HALF)
    large = smooth_noise(disease.seed + 22, plane, cells=16, size=HALF)
    threshold = 1.25 - 0.9 * disease.severity + 1.3 * np.clip(level - 0.35, 0, 1)
    holes = np.clip((small + 0.5 * large - threshold) * 2.5, 0, 1)
    if disease.severity > 0.6:
        holes = np.maximum(holes, np.clip((large - 1.35 - level) * 5, 0, 1))
    return _Part(holes=_full(0.92 * holes))


def _nodules(place: _Place) -> _Part:
    return _Part(solid=_foci(place, place.disease.nodules))


def _mass(place: _Place) -> _Part:
    return _Part(solid=_foci(place, place.disease.masses))


def _foci(place: _Place, foci: NDArray[np.float64]) -> Field:
    """Return round foci: small ones smooth, large ones lobulated and spiculated."""
    spacing, plane = place.body.traits.spacing, place.canvas.plane
    picture = _zero()
    for index, (column, row, depth, radius) in enumerate(foci):
        if abs(plane - depth) >= radius:
            continue
        reach = int(radius * 1.8 / spacing) + 3
        top, left = max(0, int(row / spacing) - reach), max(0, int(column / spacing) - reach)
        bottom, right = min(SIZE, top + 2 * reach), min(SIZE, left + 2 * reach)
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32) * spacing
        across, along = columns - column, rows - row
        theta = np.arctan2(along, across)
        lobes = 1 + 0.08 * np.sin(3 * theta + index) + 0.05 * np.sin(5 * theta + 2 * index)
        if radius > 9:
            lobes = lobes + 0.16 * np.clip(np.sin(11 * theta + 2 * np.sin(3 * theta)), 0, 1) ** 8
        distance = np.sqrt(across**2 + along**2 + (plane - depth) ** 2) / lobes
        spot = np.clip((radius - distance) / 1.2 + 0.5, 0, 1)
        picture[top:bottom, left:right] = np.maximum(picture[top:bottom, left:right], spot)
    return picture


_FINDINGS: dict[str, Callable[[_Place], _Part]] = {
    "effusion": _effusion,
    "atelectasis": _atelectasis,
    "lobar-consolidation": _lobar_consolidation,
    "nodules": _nodules,
    "mass": _mass,
    "emphysema": _emphysema,
    "reticulation": _reticulation,
}
