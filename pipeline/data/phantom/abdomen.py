"""The diaphragm as a pair of domes, and the organs beneath it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.geometry import Canvas, Keyframes, blob, offset, spline
from pipeline.data.phantom.tissue import Tissue
from pipeline.data.phantom.torso import chest_wall
from pipeline.data.phantom.traits import Traits

_LIVER = Keyframes.of(
    {
        0.62: [(-10, -60), (20, -50), (15, -20), (-10, 0), (-20, 40), (-60, 95), (-120, 80), (-150, 20),
            (-130, -50), (-80, -92), (-40, -88)],
        0.76: [(0, -82), (44, -74), (34, -44), (0, -14), (-16, 18), (-34, 60), (-100, 98), (-150, 30),
            (-138, -40), (-90, -92), (-40, -92)],
        0.88: [(10, -84), (62, -72), (40, -46), (2, -22), (-16, 6), (-32, 44), (-96, 84), (-134, 30),
            (-130, -34), (-88, -86), (-36, -90)],
        1.00: [(-10, -80), (20, -66), (4, -42), (-22, -26), (-38, -4), (-60, 22), (-96, 58), (-126, 30),
            (-124, -30), (-86, -80), (-46, -86)],
    }
)  # fmt: skip
_SPLEEN = Keyframes.of(
    {
        0.72: [(70, 20), (96, 0), (120, 10), (122, 40), (96, 66), (72, 60)],
        0.86: [(72, 34), (100, 4), (128, 4), (124, 46), (94, 80), (62, 70)],
        1.00: [(96, 30), (112, 14), (122, 22), (118, 48), (100, 62), (90, 50)],
    }
)
_STOMACH = Keyframes.of(
    {
        0.70: [(30, -20), (56, -50), (86, -46), (92, -14), (72, 16), (40, 14)],
        0.84: [(22, -20), (48, -66), (92, -62), (98, -24), (76, 18), (38, 18)],
        1.00: [(-10, -50), (28, -78), (78, -66), (84, -36), (52, -18), (10, -30)],
    }
)


@dataclass(frozen=True)
class Abdomen:
    """One patient's diaphragm and upper abdomen."""

    right_top: float  # level of the right dome
    left_top: float
    waves: NDArray[np.float64]  # (4, 3): amplitude (level), radians a mm along column and row
    bubbles: NDArray[np.float64]  # (n, 5): column, row, level, radius mm, half height in levels
    gas_row: float  # the stomach's gas lies in front of (supine: smaller than) this row

    @classmethod
    def random(cls, rng: np.random.Generator, traits: Traits) -> Abdomen:
        """Draw a patient's abdomen."""
        top = 0.675 + traits.diaphragm_drop
        waves = np.column_stack([rng.normal(0, 0.006, 4), rng.uniform(-0.06, 0.06, (4, 2))])
        count = int(rng.integers(2, 9))
        low, high = (45, -88, 0.76, 3, 0.006), (118, -20, 1.04, 15, 0.03)
        gas_row = float(rng.uniform(-62, -25)) if rng.random() < 0.75 else -200.0
        left_top = top + rng.uniform(0.015, 0.055)
        return cls(top, left_top, waves, rng.uniform(low, high, (count, 5)), gas_row)

    def dome_level(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the level at which the diaphragm lies over each place (mm): above it is lung."""
        side = np.where(columns < 0, -1.0, 1.0)
        across = columns - side * 66
        lateral = np.where(across * side > 0, across / 66, across / 90)
        back = rows + 16
        along = np.where(back > 0, back / 96, back / 84)
        fall = np.hypot(lateral, along)
        depth = 0.20 + 0.075 * along
        top = np.where(columns < 0, self.right_top, self.left_top)
        ripple = sum(a * np.sin(kc * columns + kr * rows) for a, kc, kr in self.waves)
        return top + depth * fall**1.9 + ripple

    def paint(self, canvas: Canvas, traits: Traits, level: float) -> None:
        """Paint what lies inside the lower rib cage; lung is put over it where the diaphragm lies deeper."""
        if level < min(self.right_top, self.left_top) - 0.02:
            return
        inner = offset(chest_wall(level), -1.0)
        canvas.fill(offset(inner, 2.5), Tissue.MUSCLE)
        canvas.fill(offset(inner, -1.5), Tissue.FAT)
        if level < 0.86:  # beneath the dome the liver fills the whole right side
            canvas.fill(np.minimum(inner, [6.0, np.inf]), Tissue.LIVER)
        canvas.fill(spline(_LIVER.at(level)), Tissue.LIVER)
        if traits.seed % 3:
            rng = np.random.default_rng(traits.seed)
            for _ in range(5):
                center = rng.uniform((-110, -50), (-40, 50))
                canvas.fill(blob(center, rng.uniform(2, 5, 2), angle=rng.uniform(0, 3)), Tissue.VENOUS_BLOOD)
        canvas.fill(spline(_SPLEEN.at(level)), Tissue.SPLEEN)
        stomach = spline(_STOMACH.at(level))
        canvas.fill(offset(stomach, 2.5), Tissue.MUSCLE)
        canvas.fill(stomach, Tissue.STOMACH)
        self._paint_gas(canvas, level, stomach, is_prone=traits.is_prone)
        if level > 0.95:
            for side in (-1, 1):
                canvas.fill(blob((side * 56, 34 + 4 * side), (20, 26), angle=side * 0.5), Tissue.KIDNEY)
                canvas.fill(blob((side * 48, 32 + 4 * side), (8, 10)), Tissue.FAT)

    def _paint_gas(
        self, canvas: Canvas, level: float, stomach: NDArray[np.float64], *, is_prone: bool
    ) -> None:
        if 0.74 < level:  # gas rises, to a flat border
            gas = stomach * 0.94 + stomach.mean(axis=0) * 0.06
            turned = 2 * stomach[:, 1].mean() - self.gas_row
            level_border = np.maximum(gas[:, 1], turned) if is_prone else np.minimum(gas[:, 1], self.gas_row)
            canvas.fill(np.column_stack([gas[:, 0], level_border]), Tissue.GAS)
        for column, row, middle, radius, height in self.bubbles:
            share = 1 - ((level - middle) / height) ** 2
            if share > 0.05:
                outline = blob((column, row), (radius * share**0.5, 0.8 * radius * share**0.5), angle=column)
                canvas.fill(offset(outline, 3.0), Tissue.BOWEL)
                canvas.fill(outline, Tissue.GAS)
