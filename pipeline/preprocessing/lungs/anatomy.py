"""Hilum's lung isolation: what is dark inside the body, chosen by size, place and darkness, its outer
border repaired.

1. Dark pixels inside the body (body.py), eroded, so that airways and bowel come apart from lung.
2. Of the parts: not too small, not the trachea (small, round, in the middle), not gas in stomach or bowel
   (as dark as the air around the patient, while lung holds blood). A part that spans both sides is cut
   where it is thinnest.
3. Each side grows back, is closed (vessels), its holes filled (lesions), its outer dents filled (repair.py).
4. What one side lacks and the other has is taken back (mirror.py); the rim is moved to the border (rim.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.lungs.isolation import Isolation
from pipeline.preprocessing.lungs.mirror import add_mirrored
from pipeline.preprocessing.lungs.repair import fill_holes_and_dents
from pipeline.preprocessing.lungs.rim import move_rim
from pipeline.preprocessing.morphology import Binary, close, dilate, erode
from pipeline.preprocessing.parameters import Lungs
from pipeline.preprocessing.thresholds import Grey

# Shares of the body's area.
_SMALLEST_PART = 0.003
_LARGEST_AIRWAY = 0.035
_SMALLEST_CUT_LUNG = 0.04
_LARGEST_HOLE = 0.04
# Shares of the body's width: how far from its middle an airway lies, and where the two lungs meet.
_AIRWAY_OFFSET = 0.09
_MEETING_BAND = 0.14
# Gas, up to this share of the body's area: so many percent of it lie below air plus this share of the way to
# the level. The smaller a bubble, the more of it is wall and chyme; lung holds vessels.
_GAS = ((0.01, 25, 0.04), (0.05, 50, 0.04), (0.05, 75, 0.08), (0.12, 95, 0.08))
# Pixels, and how often: lung beyond a septum or a dense band is reached in steps.
_HOP_RADIUS, _HOPS = 6, 4


@dataclass(frozen=True)
class _Part:
    """A connected part: label, box and area in the overview of every second pixel, centre in the slice."""

    label: int
    left: int
    top: int
    width: int
    height: int
    area: int
    column: float
    row: float


def isolate(grey: Grey, dark: Binary, body: Body, lungs: Lungs) -> Isolation:
    """Return the lungs among the `dark` pixels of a slice (rows, columns), uint8 with 0 and 255."""
    closed, mask = np.zeros_like(grey), np.zeros_like(grey)
    if body.area == 0:
        return Isolation(dark, closed, mask)
    inner = cv2.bitwise_and(dark, body.mask)
    eroded = erode(inner, radius=lungs.erosion_radius, kernel=lungs.kernel)
    # Parts are told apart and chosen in every second pixel; borders come from all of them.
    labels, parts = _parts(_cut_in_the_middle(eroded, body)[::2, ::2])
    outer = set(np.unique(labels[body.corners[::2, ::2] > 0]).tolist())
    chosen = [p for p in parts if p.label not in outer and _is_lung(p, grey, labels, body)]
    middle = _between_the_lungs(chosen, body)
    for side in (-1, 1):
        ours = [part for part in chosen if (part.column >= middle) == (side > 0)]
        if ours:
            _grow(labels, ours, inner, grey, body, lungs, closed, mask)
    mask = cv2.bitwise_and(mask, body.mask)
    if lungs.repair > 0:
        mask = move_rim(add_mirrored(mask, grey, body), grey, body)
    return Isolation(eroded, closed, mask)


def _parts(mask: Binary) -> tuple[NDArray[np.int32], list[_Part]]:
    count, labels, stats, centers = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask), connectivity=8
    )
    parts = [
        _Part(label, *(int(value) for value in stats[label]), *(2 * float(value) for value in centers[label]))
        for label in range(1, count)
    ]
    return labels, parts


def _cut_in_the_middle(eroded: Binary, body: Body) -> Binary:
    """Cut a part that spans both sides at the column, near the body's middle, where it is thinnest."""
    left, _, width, _ = body.box
    start, stop = (int(left + width * share) for share in (0.5 - _MEETING_BAND, 0.5 + _MEETING_BAND))
    filled = np.count_nonzero(eroded[:, start : stop + 1], axis=0)
    if not filled.all() or not _any_spans(eroded, start, stop):
        return eroded
    # Of equally thin columns the one nearest the middle; two columns, since every second pixel is looked at.
    thinnest = np.flatnonzero(filled == filled.min())
    column = start + int(thinnest[np.argmin(np.abs(thinnest - filled.size / 2))])
    cut = eroded.copy()
    cut[:, column : column + 2] = 0
    return cut


def _any_spans(eroded: Binary, start: int, stop: int) -> bool:
    """Return whether a part reaches over the columns from `start` to `stop`; a trachea between does not."""
    _, parts = _parts(eroded[::2, ::2])
    return any(2 * part.left < start and 2 * (part.left + part.width) > stop for part in parts)


def _is_lung(part: _Part, grey: Grey, labels: NDArray[np.int32], body: Body) -> bool:
    share = 4 * part.area / body.area
    return (
        share >= _SMALLEST_PART
        and not _is_air_at_the_edge(part, share, labels)
        and not _is_airway(part, share, grey, labels, body)
        and not _is_gas(part, share, grey, labels, body)
    )


def _is_air_at_the_edge(part: _Part, share: float, labels: NDArray[np.int32]) -> bool:
    """Return whether a small part touches the picture's edge: between neck and shoulder, not a cut lung."""
    rows, columns = labels.shape
    touches = part.left == 0 or part.top == 0 or part.left + part.width == columns
    return share < _SMALLEST_CUT_LUNG and (touches or part.top + part.height == rows)


def _is_airway(part: _Part, share: float, grey: Grey, labels: NDArray[np.int32], body: Body) -> bool:
    """Return whether a part is round, in the middle and, where air is known, as dark: an apex is not."""
    off_middle = abs(part.column - body.center[0]) / body.box[2]
    short, long = sorted((part.width, part.height))
    is_round = part.area > 0.5 * short * long and long < 2.5 * short
    if share > _LARGEST_AIRWAY or off_middle > _AIRWAY_OFFSET or not is_round:
        return False
    return not body.knows_air or bool(np.median(_pixels(part, grey, labels)) <= body.gas_level)


def _is_gas(part: _Part, share: float, grey: Grey, labels: NDArray[np.int32], body: Body) -> bool:
    if body.air is None or not body.knows_air or share > _GAS[-1][0]:
        return False
    darkness = np.percentile(_pixels(part, grey, labels), [percent for _, percent, _ in _GAS])
    return any(
        share <= largest and dark <= body.air + way * (body.level - body.air)
        for (largest, _, way), dark in zip(_GAS, darkness, strict=True)
    )


def _pixels(part: _Part, grey: Grey, labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    rows, columns = slice(part.top, part.top + part.height), slice(part.left, part.left + part.width)
    return grey[::2, ::2][rows, columns][labels[rows, columns] == part.label]


def _between_the_lungs(chosen: list[_Part], body: Body) -> float:
    """Return the column between the largest parts on either side of the body's middle, else its middle."""
    middle = body.center[0]
    largest = sorted(chosen, key=lambda part: -part.area)[:2]
    if len(largest) == 2 and (largest[0].column - middle) * (largest[1].column - middle) < 0:
        return (largest[0].column + largest[1].column) / 2
    return middle


def _grow(
    labels: NDArray[np.int32],
    parts: list[_Part],
    inner: Binary,
    grey: Grey,
    body: Body,
    lungs: Lungs,
    closed: Binary,
    mask: Binary,
) -> None:
    """Grow one side's parts back, close, fill and repair them; add them to `closed` and `mask`."""
    pad = (lungs.erosion_radius + lungs.closing_radius) // 2 + 2
    rows = slice(max(0, min(p.top for p in parts) - pad), max(p.top + p.height for p in parts) + pad)
    columns = slice(max(0, min(p.left for p in parts) - pad), max(p.left + p.width for p in parts) + pad)
    box = np.s_[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
    lookup = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    lookup[[part.label for part in parts]] = 255
    allowed = inner[box]
    seed = cv2.resize(lookup[labels[rows, columns]], allowed.shape[::-1], interpolation=cv2.INTER_NEAREST)
    # Thin recesses that the erosion took whole come back with what is near them.
    lung = cv2.bitwise_and(dilate(seed, radius=2 * lungs.erosion_radius + 2), allowed)
    denser_than_gas = cv2.bitwise_and(allowed, cv2.compare(grey[box], body.gas_level, cv2.CMP_GT))
    for _ in range(_HOPS if body.knows_air else 0):
        lung = cv2.bitwise_or(
            lung, cv2.bitwise_and(dilate(lung, radius=_HOP_RADIUS, kernel="square"), denser_than_gas)
        )
    lung = close(lung, radius=lungs.closing_radius, kernel=lungs.kernel)
    closed[box] |= lung
    if lungs.fill_holes:
        lung = fill_holes_and_dents(
            lung,
            origin=(2 * columns.start, 2 * rows.start),
            body=body,
            largest_hole=_LARGEST_HOLE * body.area,
            depth=lungs.repair,
        )
    mask[box] |= lung
