"""What a phantom is made of: tissue labels and their attenuation."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Tissue(IntEnum):
    """Labels painted on a canvas. Lung has none: it is put over the tissues as a share of each pixel."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTEX = 4
    MARROW = 5
    CARTILAGE = 6
    CANAL = 7
    DISC = 8
    MEDIASTINAL_FAT = 9
    HEART = 10
    VENOUS_BLOOD = 11
    ARTERIAL_BLOOD = 12
    AIRWAY_WALL = 13
    GAS = 14
    LIVER = 15
    SPLEEN = 16
    STOMACH = 17
    BOWEL = 18
    KIDNEY = 19
    FLUID = 20
    THYROID = 21
    GLAND = 22
    CALCIFICATION = 23


_HU = {
    Tissue.AIR: -1000,
    Tissue.SKIN: 10,
    Tissue.FAT: -102,
    Tissue.MUSCLE: 52,
    Tissue.CORTEX: 780,
    Tissue.MARROW: 125,
    Tissue.CARTILAGE: 105,
    Tissue.CANAL: 28,
    Tissue.DISC: 85,
    Tissue.MEDIASTINAL_FAT: -88,
    Tissue.HEART: 46,
    Tissue.VENOUS_BLOOD: 40,
    Tissue.ARTERIAL_BLOOD: 42,
    Tissue.AIRWAY_WALL: 10,
    Tissue.GAS: -985,
    Tissue.LIVER: 58,
    Tissue.SPLEEN: 50,
    Tissue.STOMACH: 32,
    Tissue.BOWEL: 20,
    Tissue.KIDNEY: 34,
    Tissue.FLUID: 8,
    Tissue.THYROID: 95,
    Tissue.GLAND: 15,
    Tissue.CALCIFICATION: 500,
}
_CONTRAST = {
    Tissue.HEART: 95,
    Tissue.VENOUS_BLOOD: 150,
    Tissue.ARTERIAL_BLOOD: 230,
    Tissue.LIVER: 95,
    Tissue.SPLEEN: 115,
    Tissue.KIDNEY: 150,
    Tissue.THYROID: 160,
    Tissue.MUSCLE: 60,
}


def attenuation_table(rng: np.random.Generator, *, with_contrast: bool) -> NDArray[np.float32]:
    """Return HU by tissue label, (256,), as one patient's tissues differ from another's."""
    table = np.zeros(256, np.float32)
    for tissue, hu in _HU.items():
        table[tissue] = hu + (rng.normal(0, 6) if tissue not in (Tissue.AIR, Tissue.GAS) else 0)
    table[Tissue.MARROW] += rng.uniform(-50, 70)  # bone density falls with age
    if with_contrast:
        for tissue, hu in _CONTRAST.items():
            table[tissue] = hu * rng.uniform(0.85, 1.15)
    return table
