"""What a lung mask left out that looks like lesion: a suspicion, and no more than that.

Consolidation at the pleura is as dense as the chest wall, so a threshold takes it for wall and the mask has
a dent, or ends early. Grey levels alone don't tell such a lesion from wall; its place does. Looked for is
what is denser than lung and no bone, beside the mask, where Hilum's own isolation expects lung once even the
deepest outer dents are filled (lungs/repair.py). Thin seams don't count, nor does what lies at the hila or
behind the sternum: vessels, bronchi and fat look like lesion.

So it sees what that isolation sees: a lesion that both masks lose is not found. The mirror image of the other
lung was tried too and left out: on slices without disease it spoke up four to ten times as often, over hearts
and diaphragms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.apply import find_lungs
from pipeline.preprocessing.geometry import resize_to
from pipeline.preprocessing.lungs.body import Body, find_body
from pipeline.preprocessing.morphology import Binary, dilate, open_
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import WINDOWS, finite_hu, to_grey8

SIDE = 512  # pixels of the longer side at which it is looked for
# At that size: a seam beside the mask that doesn't count, the thinnest and the smallest region that does, and
# how far from the mask's border (seam included) it may begin.
_SEAM, _THINNEST, _SMALLEST, _NEAR = 2, 3, 60, 8
_DENSE = 0.3  # of the way from the mask's usual darkness to the level of tissue
# Half axes of the ellipse about the body's middle where hila and great vessels lie, in the body's box.
_CENTRAL = (0.22, 0.28)
_MIDLINE = 0.1  # share of the body's width on either side of its middle: fat behind the sternum, spine
_BONE = 250  # grey level in the lung window
_EXPECTED = PRESETS["hilum"].changed(size=SIDE, lungs__repair=3.0)


@dataclass(frozen=True, eq=False)
class Suspicion:
    """Regions outside a mask that look like lesion.

    Attributes:
        mask: the regions, (rows, columns) of the slice, uint8 with 0 and 255.
        regions: how many there are.
        pixels: their area in the slice's pixels.
    """

    mask: Binary
    regions: int
    pixels: int

    def area_cm2(self, pixel_spacing: float | None) -> float | None:
        """Return the area where the pixel spacing (mm) is known."""
        return None if pixel_spacing is None else self.pixels * pixel_spacing**2 / 100


def find_suspects(image: NDArray[Any], mask: NDArray[Any], *, intensity: str) -> Suspicion:
    """Return what the lung `mask` (rows, columns; 0 is outside) left out of a slice that looks like lesion.

    `image` is float HU with intensity "hu", else uint8 grey, of the same size.

    Raises:
        SliceArrayError: `image` is no slice.
    """
    rows, columns = image.shape
    scale = min(1.0, SIDE / max(rows, columns))
    size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    values = resize_to(finite_hu(image) if intensity == "hu" else image, rows=size[0], columns=size[1])
    center, width = WINDOWS["lung"]
    grey = to_grey8(values, intensity=intensity, center=center, width=width)
    lung = cv2.resize(
        (np.asarray(mask) > 0).astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_NEAREST
    )
    found = _suspects(grey, lung)
    count, _ = cv2.connectedComponents(found, connectivity=8)
    enlarged = cv2.resize(found, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return Suspicion(enlarged, count - 1, int(cv2.countNonZero(enlarged)))


def _suspects(grey: Binary, lung: Binary) -> Binary:
    nothing = np.zeros_like(lung)
    if not lung.any():
        return nothing  # the verdict says so already
    expected, _ = find_lungs(grey, intensity="grey", recipe=_EXPECTED)
    left_out = cv2.bitwise_and(expected, cv2.bitwise_not(dilate(lung, radius=_SEAM)))
    if not left_out.any():
        return nothing
    body = find_body(grey)
    usual, tissue = float(np.median(grey[lung > 0])), body.level
    smooth = cv2.GaussianBlur(grey, (5, 5), 0)
    dense = cv2.inRange(smooth, np.array([usual + _DENSE * (tissue - usual)]), np.array([_BONE - 1.0]))
    thick = open_(cv2.bitwise_and(left_out, dense), radius=_THINNEST)
    near = dilate(lung, radius=_NEAR) > 0
    count, labels, stats, centers = cv2.connectedComponentsWithStats(thick, connectivity=8)
    kept = [
        label
        for label in range(1, count)
        if stats[label, cv2.CC_STAT_AREA] >= _SMALLEST
        and not _is_central(centers[label], body)
        and near[labels == label].any()
    ]
    return np.where(np.isin(labels, kept), np.uint8(255), np.uint8(0))


def _is_central(center: NDArray[np.float64], body: Body) -> bool:
    """Return whether a region lies where dense is normal: at the hila and along the midline."""
    _, _, width, height = body.box
    away = (center - np.array(body.center)) / np.array([_CENTRAL[0] * width, _CENTRAL[1] * height])
    behind_sternum_or_spine = abs(center[0] - body.center[0]) < _MIDLINE * width
    return bool(away @ away < 1 or behind_sternum_or_spine)
