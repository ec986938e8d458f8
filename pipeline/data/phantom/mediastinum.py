"""Heart, great vessels, windpipe, gullet and the fat that they lie in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.data.phantom.geometry import Canvas, Keyframes, Points, Tube, blob, spline
from pipeline.data.phantom.tissue import Tissue
from pipeline.data.phantom.traits import Traits

# The mediastinum's own outline (fat), clockwise on the picture from its front: mm.
_OUTLINE = Keyframes.of(
    {
        0.00: [(0, -50), (20, -48), (30, -34), (34, -12), (30, 10), (20, 30), (0, 40), (-20, 30),
            (-30, 10), (-34, -12), (-30, -34), (-20, -48)],
        0.14: [(0, -60), (18, -56), (30, -36), (24, -8), (21, 20), (26, 44), (0, 54), (-26, 44),
            (-21, 20), (-23, -8), (-30, -36), (-18, -56)],
        0.22: [(0, -74), (14, -64), (27, -40), (27, -10), (22, 20), (19, 48), (0, 58), (-17, 48),
            (-15, 24), (-22, -6), (-30, -34), (-14, -62)],
        0.28: [(0, -82), (9, -68), (24, -44), (30, -14), (28, 16), (24, 46), (0, 60), (-16, 50),
            (-12, 28), (-24, 2), (-32, -26), (-14, -60)],
        0.36: [(0, -84), (5, -72), (25, -50), (33, -20), (32, 10), (26, 44), (0, 60), (-16, 52),
            (-13, 30), (-28, 12), (-34, -24), (-18, -58)],
        0.45: [(0, -86), (5, -76), (30, -56), (37, -26), (34, 6), (27, 42), (0, 60), (-15, 52),
            (-13, 32), (-32, 14), (-38, -22), (-20, -60)],
        0.58: [(0, -90), (12, -82), (34, -62), (46, -26), (30, 12), (26, 42), (0, 60), (-14, 52),
            (-12, 30), (-26, 8), (-36, -28), (-18, -66)],
        0.70: [(0, -93), (28, -88), (58, -68), (54, -30), (28, 6), (22, 40), (0, 56), (-14, 50),
            (-10, 28), (-26, 2), (-40, -40), (-26, -80)],
        0.80: [(0, -94), (30, -90), (50, -70), (44, -30), (24, 4), (18, 40), (0, 52), (-14, 46),
            (-10, 26), (-22, 0), (-34, -40), (-26, -82)],
        1.00: [(0, -90), (10, -70), (14, -40), (16, -10), (16, 8), (14, 30), (0, 40), (-14, 30),
            (-12, 8), (-12, -10), (-14, -40), (-10, -70)],
    }
)  # fmt: skip

_AORTA = [(-4, -22, 0.535, 15), (-14, -34, 0.47, 16), (-18, -36, 0.38, 15.5), (-12, -32, 0.30, 14.5),
    (6, -14, 0.268, 13.5), (20, 10, 0.266, 13), (26, 30, 0.295, 12.5), (25, 37, 0.36, 12.3),
    (22, 38, 0.5, 12), (14, 35, 0.65, 11.5), (6, 26, 0.8, 11), (3, 16, 1.02, 10)]  # fmt: skip
_ARTERIES = [
    [(-4, -30, 0.262, 6.5), (-14, -22, 0.18, 6.5), (-24, -14, 0.08, 4), (-25, -14, -0.02, 3.7)],
    [(8, -18, 0.262, 4.2), (14, -16, 0.18, 4), (23, -14, 0.08, 3.7), (25, -14, -0.02, 3.7)],
    [(18, -2, 0.262, 5.2), (26, 2, 0.18, 5), (44, -8, 0.125, 4.6), (84, -22, 0.09, 4.2)],
    [(-16, -22, 0.165, 5.2), (-44, -14, 0.118, 4.6), (-84, -24, 0.09, 4.2)],
]
_VEINS = [
    [(-26, -28, 0.215, 8.5), (-28, -22, 0.35, 9), (-28, -14, 0.5, 10)],
    [(-33, -22, -0.02, 6), (-37, -38, 0.13, 7), (-27, -30, 0.22, 8)],
    [(33, -22, -0.02, 5.5), (38, -42, 0.14, 6.5), (10, -46, 0.215, 6.5), (-24, -32, 0.245, 7.5)],
    [(-38, -40, 0.135, 6), (-90, -34, 0.095, 5.5)],
    [(38, -42, 0.135, 6), (90, -34, 0.095, 5.5)],
    [(-7, 42, 0.95, 3.2), (-7, 44, 0.42, 3.6), (-20, 24, 0.335, 4.2), (-28, -6, 0.318, 4.6)],
    [(-22, -10, 0.62, 12), (-23, -2, 0.72, 12), (-22, 2, 1.02, 12)],
]
_PULMONARY_ARTERIES = [
    [(8, -50, 0.52, 13), (16, -38, 0.46, 14.5), (26, -16, 0.415, 12.5), (40, 5, 0.395, 11),
        (50, 20, 0.42, 8.5), (55, 30, 0.47, 6.5), (60, 40, 0.54, 4.5)],
    [(20, -30, 0.437, 11), (-6, -8, 0.428, 11), (-34, -4, 0.42, 10), (-48, 8, 0.435, 8.5),
        (-53, 20, 0.48, 6.8), (-60, 34, 0.54, 4.5)],
    [(-40, -4, 0.415, 6.5), (-54, -8, 0.385, 5), (-64, -12, 0.345, 3.4)],
    [(42, 2, 0.395, 6), (54, -10, 0.37, 4.6), (60, -18, 0.335, 3.2)],
]  # fmt: skip
_PULMONARY_VEINS = [
    [(-12, 6, 0.505, 7.5), (-36, -6, 0.478, 6.5), (-54, -16, 0.43, 3.6)],
    [(-16, 18, 0.54, 7.5), (-46, 30, 0.558, 4.5), (-62, 42, 0.585, 3.2)],
    [(24, 8, 0.5, 7.5), (42, -8, 0.475, 6), (56, -22, 0.42, 3.6)],
    [(24, 20, 0.535, 7.5), (50, 32, 0.556, 4.5), (66, 44, 0.58, 3.2)],
]
_AIRWAYS = [
    [(0, -21, -0.03, 8.6), (1, -3, 0.12, 8.8), (2, 8, 0.25, 8.8), (0, 14, 0.35, 9.2)],
    [(0, 14, 0.343, 8.4), (-20, 18, 0.37, 7.4), (-36, 20, 0.405, 6.2), (-37, 22, 0.47, 5.2),
        (-46, 34, 0.53, 3.6), (-56, 48, 0.6, 2.4)],
    [(0, 14, 0.343, 8), (19, 20, 0.378, 6.8), (40, 26, 0.42, 5.8), (47, 36, 0.49, 4.4),
        (54, 46, 0.55, 3.2), (62, 56, 0.61, 2.2)],
    [(-22, 18, 0.372, 5), (-48, 12, 0.366, 4.2), (-64, 4, 0.33, 2.6)],
    [(41, 25, 0.42, 5), (56, 8, 0.425, 3.8), (68, -8, 0.39, 2.4)],
    [(-37, 22, 0.465, 3.4), (-47, 8, 0.49, 2.8), (-58, -8, 0.52, 2.0)],
    [(56, 8, 0.425, 2.8), (61, -8, 0.455, 2.2)],
]  # fmt: skip
_GULLET = [(3, -6, -0.02, 6.5), (5, 13, 0.12, 7), (6, 26, 0.25, 7), (3, 32, 0.36, 6.8), (6, 33, 0.5, 7),
    (12, 24, 0.65, 7.5), (26, 2, 0.75, 8)]  # fmt: skip

# Chambers: column, row, level of the middle, half axes (mm, mm, level), turn.
_CHAMBERS = (
    ((-30, -22, 0.585), (28, 35, 0.095), 0.15),
    ((14, -52, 0.62), (48, 29, 0.125), 0.12),
    ((42, -28, 0.63), (44, 38, 0.125), -0.55),
    ((6, 9, 0.535), (36, 20, 0.06), 0.05),
    ((10, -27, 0.585), (44, 42, 0.12), 0.0),
)


@dataclass(frozen=True)
class Mediastinum:
    """One patient's heart, vessels and airways; made once, cut at every level."""

    aorta: Tube
    arteries: tuple[Tube, ...]
    veins: tuple[Tube, ...]
    pulmonary_arteries: tuple[Tube, ...]
    pulmonary_veins: tuple[Tube, ...]
    airways: tuple[Tube, ...]
    gullet: Tube
    heart_size: float
    heart_drop: float  # level by which heart and diaphragm lie lower than usual
    bumps: np.ndarray  # (chambers, harmonics, 2)
    gullet_air: bool
    calcified: tuple[tuple[float, float], ...]  # angle, level of plaques of the aorta

    @classmethod
    def random(cls, rng: np.random.Generator, traits: Traits) -> Mediastinum:
        """Draw a patient's mediastinum."""

        def tubes(groups: list, wobble: float) -> tuple[Tube, ...]:
            spread = np.array([wobble, wobble, 0.002, 0.0])
            return tuple(
                Tube.through(np.array(group) + rng.normal(0, 1, (len(group), 4)) * spread, traits.length_mm)
                for group in groups
            )  # fmt: skip

        def scaled(group: list, factor: float) -> list:
            return [(column, row, level, radius * factor) for column, row, level, radius in group]

        width = rng.uniform(0.9, 1.18)
        return cls(
            aorta=tubes([scaled(_AORTA, width)], 1.0)[0],
            arteries=tubes(_ARTERIES, 1.2),
            veins=tubes(_VEINS, 1.2),
            pulmonary_arteries=tubes([scaled(g, rng.uniform(0.88, 1.1)) for g in _PULMONARY_ARTERIES], 0.8),
            pulmonary_veins=tubes(_PULMONARY_VEINS, 1.5),
            airways=tubes(_AIRWAYS, 0.5),
            gullet=tubes([_GULLET], 1.0)[0],
            heart_size=float(rng.uniform(0.9, 1.16)),
            heart_drop=traits.diaphragm_drop * 0.7,
            bumps=rng.normal(0, 0.016, (len(_CHAMBERS), 3, 2)),
            gullet_air=bool(rng.random() < 0.3),
            calcified=tuple(
                (float(a), float(p)) for a, p in rng.uniform([0, 0.25], [6.28, 0.9], (traits.plaques, 2))
            ),
        )

    def chambers(self, level: float, *, grow: float) -> list[Points]:
        """Return the outlines of the heart's chambers at `level`, `grow` mm wider all around."""
        outlines = []
        for (column, row, middle), (width, depth, height), turn, bumps in zip(
            *zip(*_CHAMBERS, strict=True), self.bumps, strict=True
        ):
            share = 1 - ((level - middle - self.heart_drop) / (height * self.heart_size)) ** 2
            if share > 0.02:
                radii = np.array([width, depth]) * self.heart_size * np.sqrt(share) + grow
                outlines.append(blob((column, row), radii, angle=turn, bumps=bumps))
        return outlines

    def paint_lung_limits(self, canvas: Canvas, level: float, value: int) -> None:
        """Paint all that is mediastinum, with the fat around it, as one `value`: where lung cannot be."""
        canvas.fill(spline(_OUTLINE.at(level)), value)
        for outline in self.chambers(level, grow=4.0):
            canvas.fill(outline, value)
        groups = (((self.aorta,), 2.0), (self.veins[:1], 1.5), (self.veins[5:], 1.5), (self.airways[:1], 1.8))
        for tubes, grow in (
            *groups,
            (self.pulmonary_arteries, 0.4),
            (self.pulmonary_veins, 0.3),
            (self.airways[1:], 1.0),
        ):
            for tube in tubes:
                canvas.discs(*tube.section(canvas.plane, grow=grow), value)
        canvas.discs(*self.gullet.section(canvas.plane, grow=1.5), value)

    def paint(self, canvas: Canvas, level: float) -> None:
        """Paint the organs over their fat."""
        plane = canvas.plane
        if 0.1 < level < 0.76:
            canvas.fill(spline(_OUTLINE.at(level)), Tissue.MEDIASTINAL_FAT)
        for outline in self.chambers(level, grow=3.6):
            canvas.fill(outline, Tissue.MEDIASTINAL_FAT)
        for outline in self.chambers(level, grow=0.0):
            canvas.fill(outline, Tissue.HEART)
        for outline in self.chambers(level, grow=-8.0)[:4]:
            canvas.fill(outline, Tissue.VENOUS_BLOOD)
        canvas.discs(*self.gullet.section(plane), Tissue.MUSCLE)
        if self.gullet_air:
            centers, radii = self.gullet.section(plane, grow=-4.6)
            canvas.discs(centers, radii, Tissue.GAS)
        for tube in self.veins:
            canvas.discs(*tube.section(plane), Tissue.VENOUS_BLOOD)
        for tube in (*self.pulmonary_veins, *self.pulmonary_arteries):
            canvas.discs(*tube.section(plane), Tissue.VENOUS_BLOOD)
        for tube in (*self.arteries, self.aorta):
            canvas.discs(*tube.section(plane), Tissue.ARTERIAL_BLOOD)
        self._paint_plaques(canvas, level)
        self.paint_airways(canvas)

    def paint_airways(self, canvas: Canvas) -> None:
        """Paint walls, then lumina, so that branches open into each other."""
        for tube in self.airways:
            canvas.discs(*tube.section(canvas.plane, grow=0.9), Tissue.AIRWAY_WALL)
        for tube in self.airways:
            canvas.discs(*tube.section(canvas.plane), Tissue.GAS)

    def _paint_plaques(self, canvas: Canvas, level: float) -> None:
        centers, radii = self.aorta.section(canvas.plane)
        if not len(radii):
            return
        widest = int(np.argmax(radii))
        for angle, middle in self.calcified:
            if abs(level - middle) < 0.012:
                place = centers[widest] + (radii[widest] - 1) * np.array([np.cos(angle), np.sin(angle)])
                canvas.fill(blob(place, (1.2, 2.8), angle=-angle), Tissue.CALCIFICATION)
