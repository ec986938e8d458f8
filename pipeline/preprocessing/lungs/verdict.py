"""Is a lung mask to be believed? Judged by what lungs look like, not by how the mask was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.morphology import Binary, open_

# Shares of the body's area: less is too little lung to judge, more leaves no room for mediastinum and wall.
LEAST_LUNG, MOST_LUNG = 0.025, 0.80
# The smaller side's share of the larger one; of the mask in its sides' convex hulls; in the body.
LEAST_SYMMETRY, LEAST_SOLIDITY, LEAST_OVERLAP = 0.1, 0.35, 0.97
# A crescent of lung around the diaphragm fills little of its hull too, but it isn't thin: so much of it, in
# every second pixel, is as wide as a disk of this radius.
LEAST_THICK, _THICK_RADIUS = 0.7, 2
# A side below this share of the other is suspicious where the lungs fill so much of the body; with less, the
# slice is near their ends, and one side often ends before the other.
EVEN_SIDES, _LEAST_EVEN_LUNG = 0.5, 0.06
# Pixels on the shorter side of a slice below which nothing is believed.
LEAST_PIXELS = 48
# A part smaller than this share of the mask says nothing about its shape.
_CRUMB = 0.02


@dataclass(frozen=True)
class MaskVerdict:
    """Whether a mask is believed, why not in sentences, and the lungs' share of the body's area, [0, 1].

    `lung_area_cm2` is the mask's true size where the pixel spacing is known. `measures` holds what was
    judged.
    """

    plausible: bool
    reasons: tuple[str, ...]
    lung_fraction: float
    lung_area_cm2: float | None = None
    measures: tuple[tuple[str, float], ...] = ()

    @property
    def suspicion(self) -> str | None:
        """Why a mask that is believed may lack lung all the same, in a sentence; None where nothing says so.

        A lobe that is solid throughout, or lung pressed together above an effusion, is as dense as the chest
        wall: only the other side tells that it is missing.
        """
        symmetry = dict(self.measures).get("symmetry", 1.0)
        if not self.plausible or symmetry >= EVEN_SIDES or self.lung_fraction < _LEAST_EVEN_LUNG:
            return None
        return (
            f"One side has {symmetry:.0%} of the other's area: solid or compressed lung may be missing, "
            "unless the diaphragm is high."
        )

    @property
    def doubt(self) -> float:
        """How doubtful the mask is, to sort by: above 1 where it is not believed, else in [0, 1]."""
        if not self.plausible:
            return 1.0 + len(self.reasons)
        measures = dict(self.measures)
        return 1.0 - measures["symmetry"] * measures["solidity"]


def judge_mask(mask: Binary, body: Body, *, pixels: tuple[int, int] | None = None) -> MaskVerdict:
    """Judge a lung mask (rows, columns), 0 and 255: area, symmetry, solidity, overlap with the body.

    `pixels` is the slice's own size (rows, columns), where it was enlarged to the mask's.
    """
    if pixels is not None and min(pixels) < LEAST_PIXELS:
        return MaskVerdict(False, (f"Only {pixels[1]} x {pixels[0]} pixels: too few to find lungs in.",), 0.0)
    if body.area == 0:
        return MaskVerdict(
            False, ("No body is seen: the slice has one colour, or hardly any contrast.",), 0.0
        )
    area = cv2.countNonZero(mask)
    if area == 0:
        return MaskVerdict(False, ("No lung was found.",), 0.0)
    fraction = area / body.area
    overlap = cv2.countNonZero(cv2.bitwise_and(mask, body.mask)) / area
    symmetry, solidity = _sides(mask, body)
    measures = (
        ("lung fraction", fraction),
        ("symmetry", symmetry),
        ("solidity", solidity),
        ("overlap", overlap),
    )
    is_ragged = solidity < LEAST_SOLIDITY and _thick_share(mask) < LEAST_THICK
    reasons = tuple(_doubts(fraction, symmetry, solidity, overlap, is_ragged=is_ragged))
    return MaskVerdict(not reasons, reasons, min(1.0, fraction), measures=measures)


def _sides(mask: Binary, body: Body) -> tuple[float, float]:
    """Return symmetry (smaller side over larger) and solidity (area over that of its parts' hulls)."""
    half = mask[::2, ::2]
    middle = round(body.center[0] / 2)
    left, right = cv2.countNonZero(half[:, :middle].copy()), cv2.countNonZero(half[:, middle:].copy())
    contours, _ = cv2.findContours(np.ascontiguousarray(half), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    areas = np.array([cv2.contourArea(contour) for contour in contours])
    hulls = np.array([cv2.contourArea(cv2.convexHull(contour)) for contour in contours])
    counted = areas > _CRUMB * areas.sum()
    solidity = float(areas[counted].sum() / hulls[counted].sum()) if hulls[counted].sum() > 0 else 0.0
    # A mask of single pixels may have none in the half picture.
    return min(left, right) / max(left, right, 1), solidity


def _thick_share(mask: Binary) -> float:
    half = np.ascontiguousarray(mask[::2, ::2])
    return cv2.countNonZero(open_(half, radius=_THICK_RADIUS)) / max(1, cv2.countNonZero(half))


def _doubts(
    fraction: float, symmetry: float, solidity: float, overlap: float, *, is_ragged: bool
) -> Iterator[str]:
    if fraction < LEAST_LUNG:
        yield f"Little lung: {fraction:.1%} of the body, less than {LEAST_LUNG:.0%}."
    if fraction > MOST_LUNG:
        yield f"More than lungs can be: {fraction:.0%} of the body."
    if symmetry < LEAST_SYMMETRY and fraction >= LEAST_LUNG:
        yield f"One side only: the smaller side has {symmetry:.0%} of the larger one's area."
    if is_ragged:
        yield f"Ragged: the mask fills {solidity:.0%} of its own outline's hull."
    if overlap < LEAST_OVERLAP:
        yield f"Outside the body: {1 - overlap:.0%} of the mask."
