"""One phantom patient: which levels are cut, and how each slice comes about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom import rendering
from pipeline.data.phantom.geometry import SIZE, Canvas, blob
from pipeline.data.phantom.lesions import Lesion, Opacity, draw_lesions, paint_lesions
from pipeline.data.phantom.lungs import Body, Field, LungVolume, healthy_lung, lung_alpha
from pipeline.data.phantom.other_disease import Effect, OtherDisease, paint_other
from pipeline.data.phantom.skeleton import paint_skeleton, paint_vertebra
from pipeline.data.phantom.tissue import Tissue, attenuation_table
from pipeline.data.phantom.torso import chest_wall, paint_outline, paint_torso
from pipeline.data.phantom.traits import Traits
from pipeline.data.phantom.vessels import Vessels, bronchus_alpha, vessel_alpha

Label = Literal["positive", "negative", "non-informative"]

LEAST_LUNG_MM2 = 1800.0  # less lung than this says nothing: neck, extreme apex or base, abdomen
LEAST_LESION_MM2 = 50.0  # less lesion than this nobody could be asked to see
SIZE_CLASSES = (("none", 0.0), ("small", LEAST_LESION_MM2), ("medium", 500.0), ("large", 2500.0))
_BLOOD_HU, _SOLID_HU, _HOLE_HU, _LUMEN_HU, _WALL_HU = 35.0, 28.0, -975.0, -965.0, -150.0


@dataclass(frozen=True)
class PhantomSlice:
    """A finished slice with everything that is known about it.

    `lesion_mask` holds COVID-like lesion only; other disease of the lung is in `finding_mask`. Both lie
    inside `lung_mask`. Pleural fluid is no lung.
    """

    slice_hu: NDArray[np.float32]  # (512, 512)
    lung_mask: NDArray[np.bool_]
    lesion_mask: NDArray[np.bool_]
    finding_mask: NDArray[np.bool_]
    label: Label
    level: float
    slice_location: float  # mm, positive to the head
    pixel_spacing: float
    slice_thickness: float
    lung_area_mm2: float
    lesion_area_mm2: float
    lesion_size: str  # none, small, medium, large
    lesion_kinds: tuple[str, ...]
    touches_pleura: bool
    findings: tuple[str, ...]  # other disease seen in this slice
    patient_id: str
    traits: Traits


class Patient:
    """A patient whose slices can be cut at any level. Building one takes longer than cutting a slice."""

    def __init__(self, seed: int) -> None:
        self.traits = Traits.random(seed)
        self.body = Body.of(self.traits)
        volume = LungVolume.of(self.body)
        self.vessels = Vessels.of(self.body, volume)
        covid_like = self.traits.disease == "covid-like"
        self.lesions: tuple[Lesion, ...] = draw_lesions(self.body, volume) if covid_like else ()
        self.other = OtherDisease.of(self.body, volume)
        rng = np.random.default_rng([seed, 6])
        self._table = attenuation_table(rng, with_contrast=self.traits.has_contrast)
        self._ripple = rendering.ripples(rng, self.traits.spacing)
        self._couch = rendering.table_hu(self.traits, self._back_row(), rng)

    def _back_row(self) -> float:
        """Return the pixel row of the lowest point of the body where it lies on the table."""
        lowest = 0.0
        for level in (0.25, 0.4, 0.7):
            canvas = self.body.canvas(level * self.traits.length_mm, size=SIZE // 2)
            paint_outline(canvas, self.traits, level)
            rows = np.flatnonzero(canvas.pixels[:, SIZE // 4 - 40 : SIZE // 4 + 40].any(axis=1))
            edge = 2 * rows[-1] if not self.traits.is_prone else SIZE - 2 * rows[0]
            lowest = max(lowest, float(edge))
        return lowest

    def slice_at(self, level: float) -> PhantomSlice:
        """Return the slice at `level`, 0 the neck and 1 the upper abdomen."""
        traits = self.traits
        plane = level * traits.length_mm
        rng = np.random.default_rng([traits.seed, 7, round(level * 1e5)])
        canvas = self.body.canvas(plane)
        alpha = lung_alpha(self.body, plane)
        tissue = self._tissue(canvas, level, rng)
        opacity = paint_lesions(self.lesions, self.body, plane)
        effect = paint_other(self.other, self.body, canvas, level, alpha)
        fluid = np.minimum(effect.fluid, alpha)
        tissue = tissue + (self._table[Tissue.FLUID] - tissue) * np.clip(effect.fluid * (alpha > 0.02), 0, 1)
        alpha = alpha - fluid
        hu = tissue
        if alpha.max() > 0:
            lung = self._lung(canvas, level, opacity, effect)
            hu = tissue + (lung - tissue) * alpha
        return self._finished(hu, alpha, opacity, effect, canvas, level, rng)

    def _tissue(self, canvas: Canvas, level: float, rng: np.random.Generator) -> Field:
        traits = self.traits
        outline = canvas.blank_copy()
        paint_outline(outline, traits, level)
        paint_torso(canvas, traits, level)
        paint_skeleton(canvas, traits, level)
        if traits.missing_side:
            self._paint_empty_side(canvas, level)
        self.body.abdomen.paint(canvas, traits, level)
        self.body.mediastinum.paint(canvas, level)
        paint_vertebra(canvas, traits, level)
        if traits.has_arms_down:
            _paint_arms(outline, canvas, traits)
        return rendering.tissue_hu(canvas, outline, self._table, self._ripple, rng)

    def _paint_empty_side(self, canvas: Canvas, level: float) -> None:
        if 0.12 < level < 0.9:
            wall = chest_wall(level)
            side = self.traits.missing_side
            canvas.fill(np.where(wall[:, :1] * side > 0, wall, wall * [0, 1]), Tissue.FLUID)

    def _lung(self, canvas: Canvas, level: float, opacity: Opacity, effect: Effect) -> Field:
        """Return the density of lung everywhere, HU: parenchyma, haze, vessels, solid, airways."""
        hu = healthy_lung(self.body, canvas, level)
        haze = np.maximum(opacity.haze, effect.haze)
        hu = hu + haze
        hu += (_HOLE_HU - hu) * effect.holes
        blood = vessel_alpha(self.vessels, self.body, canvas.plane) * (1 - 0.8 * effect.holes)
        hu += (_BLOOD_HU - hu) * blood
        wall, lumen = bronchus_alpha(self.vessels, self.body, canvas.plane)
        hu += (_WALL_HU - hu) * np.clip(wall - lumen, 0, 1)
        solid = np.maximum(opacity.solid, effect.solid)
        hu += (_SOLID_HU - hu) * solid
        hu += (_LUMEN_HU - hu) * lumen * 0.92
        return hu

    def _finished(
        self,
        hu: Field,
        alpha: Field,
        opacity: Opacity,
        effect: Effect,
        canvas: Canvas,
        level: float,
        rng: np.random.Generator,
    ) -> PhantomSlice:
        traits = self.traits
        body_mask = hu > -400
        lung_mask = alpha > 0.5
        lesion_mask = opacity.mask & lung_mask
        finding_mask = effect.mask & lung_mask
        if traits.is_prone:  # lying face down turns the picture, not the table
            hu, body_mask = hu[::-1, ::-1], body_mask[::-1, ::-1]
            lung_mask, lesion_mask, finding_mask = (
                m[::-1, ::-1] for m in (lung_mask, lesion_mask, finding_mask)
            )
        hu = self._scanned(hu, body_mask, level, rng)
        pixel_mm2 = traits.spacing**2
        lesion_area = float(np.count_nonzero(lesion_mask)) * pixel_mm2
        lung_area = float(np.count_nonzero(lung_mask)) * pixel_mm2
        if lung_area < LEAST_LUNG_MM2:
            label: Label = "non-informative"
        else:
            label = "positive" if lesion_area >= LEAST_LESION_MM2 else "negative"
        return PhantomSlice(
            slice_hu=np.ascontiguousarray(hu, np.float32),
            lung_mask=np.ascontiguousarray(lung_mask),
            lesion_mask=np.ascontiguousarray(lesion_mask),
            finding_mask=np.ascontiguousarray(finding_mask),
            label=label,
            level=float(level),
            slice_location=round(-canvas.plane, 2),
            pixel_spacing=traits.spacing,
            slice_thickness=traits.scanner.thickness_mm,
            lung_area_mm2=round(lung_area, 1),
            lesion_area_mm2=round(lesion_area, 1),
            lesion_size=next(name for name, least in reversed(SIZE_CLASSES) if lesion_area >= least),
            lesion_kinds=opacity.kinds if lesion_area >= LEAST_LESION_MM2 else (),
            touches_pleura=_touches_edge(lesion_mask, lung_mask),
            findings=effect.findings,
            patient_id=traits.patient_id,
            traits=traits,
        )

    def _scanned(
        self, hu: Field, body_mask: NDArray[np.bool_], level: float, rng: np.random.Generator
    ) -> Field:
        traits = self.traits
        couch, share = self._couch
        hu = np.where(body_mask, hu, hu + (couch - hu) * share * (hu < -900))
        hu = hu + rendering.cloth_hu(body_mask, rng) * (hu < -900)
        hu = rendering.reconstructed(hu.astype(np.float32), traits)
        width = body_mask.mean(axis=1, keepdims=True).astype(np.float32)
        shoulders = 1.0 if level < 0.2 or traits.has_arms_down else 0.25
        streaks = np.clip(cv2.GaussianBlur(width, (0, 0), 9) - 0.55, 0, 1) * 2 * shoulders
        amplitude = traits.scanner.noise_hu * (0.55 + 0.9 * float(body_mask.mean()))
        hu = hu + rendering.reconstruction_noise(traits, rng, amplitude=amplitude, streaks=streaks)
        np.clip(hu, -1024, 3071, out=hu)
        if traits.scanner.sees_circle:
            hu[rendering.outside_circle()] = -1024
        return hu


def _touches_edge(lesion_mask: NDArray[np.bool_], lung_mask: NDArray[np.bool_]) -> bool:
    if not lesion_mask.any():
        return False
    inner = cv2.erode(lung_mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2) > 0
    return bool(np.count_nonzero(lesion_mask & lung_mask & ~inner) > 6)


def _paint_arms(outline: Canvas, canvas: Canvas, traits: Traits) -> None:
    rng = np.random.default_rng([traits.seed, 8])
    for side in (-1, 1):
        middle = (side * (188 + 1.6 * traits.fat_mm + rng.uniform(0, 12)), rng.uniform(10, 40))
        bumps = rng.normal(0, 0.03, (3, 2))
        outline.fill(blob(middle, (44, 46), bumps=bumps), Tissue.SKIN)
        outline.fill(blob(middle, (42, 44), bumps=bumps), Tissue.FAT)
        canvas.fill(blob(middle, (36, 38), bumps=bumps), Tissue.MUSCLE)
        for radius, tissue in ((11.5, Tissue.CORTEX), (7.5, Tissue.MARROW)):
            canvas.fill(blob(middle, (radius, radius)), tissue)


def draw_levels(seed: int, count: int) -> NDArray[np.float64]:
    """Return `count` levels from neck to abdomen, ascending: spread out, with most of them through lung."""
    rng = np.random.default_rng([seed, 9])
    share = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    return np.interp(share, [0, 0.16, 0.88, 1], [0.01, 0.14, 0.9, 1.0])


def generate_patient(seed: int, *, slices: int = 10) -> list[PhantomSlice]:
    """Return one patient's slices from neck to abdomen. The same seed gives the same slices.

    Args:
        seed: names the patient.
        slices: how many levels are cut.
    """
    patient = Patient(seed)
    return [patient.slice_at(float(level)) for level in draw_levels(seed, slices)]
