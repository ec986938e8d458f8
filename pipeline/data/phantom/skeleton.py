"""Spine, ribs, breastbone, collar bones and shoulder blades."""

from __future__ import annotations

import numpy as np

from pipeline.data.phantom.geometry import STEPS, Canvas, Keyframes, Points, Tube, blob, offset, spline
from pipeline.data.phantom.tissue import Tissue
from pipeline.data.phantom.torso import LUNG_TOP, both_sides, chest_wall
from pipeline.data.phantom.traits import Traits

SPINE_ROW = Keyframes.of({0.0: 6.0, 0.12: 36.0, 0.28: 56.0, 0.5: 58.0, 0.75: 52.0, 1.0: 40.0})
_VERTEBRA_RADII = Keyframes.of(
    {0.0: (12, 8.5), 0.2: (14.5, 11.5), 0.5: (16, 14), 0.8: (19, 16), 1.0: (22, 17)}
)
_VERTEBRA_MM = 24.0  # a vertebra and its disc
# Processes, mm from the middle of the spinal canal.
_SPINOUS = [(-3.5, 7), (3.5, 7), (3.4, 22), (4.2, 33), (-4.2, 33), (-3.4, 22)]
_TRANSVERSE = [(8, -10), (13, -7), (22, 3), (34, 9), (35, 14), (22, 10), (9, 8)]
_RIB_DROP = np.array([46, 58, 74, 88, 98, 104, 108, 104, 92, 76, 44, 22.0])  # mm from spine to front end
_RIB_END = np.array([1, 1, 1, 1, 1, 1, 1, 0.97, 0.9, 0.82, 0.6, 0.42])  # how far around each rib goes
_CARTILAGE_FROM = 0.84
_RIB_BACK, _RIB_FRONT = 8.95, 0.75  # control points of the chest wall where a rib begins and ends
# Column, row, level, radius.
_CLAVICLE = [(17, -66, 0.205, 8), (38, -70, 0.185, 6.5), (70, -62, 0.15, 5.5), (105, -34, 0.105, 5.5),
    (140, -8, 0.075, 6), (168, 4, 0.06, 6.5)]  # fmt: skip
_CLAVICLES_TO = 0.24  # level
_BLADE = Keyframes.of(
    {
        0.07: [(96, 60), (112, 56), (130, 48), (150, 38), (166, 22)],
        0.14: [(84, 84), (104, 80), (124, 66), (142, 46), (158, 20)],
        0.22: [(84, 98), (104, 94), (124, 82), (140, 64), (152, 44)],
        0.32: [(90, 103), (106, 100), (122, 92), (134, 80), (144, 66)],
        0.43: [(106, 102), (114, 100), (121, 97), (127, 93), (132, 88)],
    }
)


def paint_skeleton(canvas: Canvas, traits: Traits, level: float) -> None:
    """Paint every bone of the section at `level` over muscles and fat."""
    if 0.07 < level < 0.43:
        _paint_shoulder_blade(canvas, level)
    if level < 0.12:
        _paint_humeral_head(canvas, level)
    _paint_ribs(canvas, traits, level)
    _paint_sternum(canvas, traits, level)
    if level < _CLAVICLES_TO:
        for tube in _clavicles(traits):
            _paint_bone(canvas, *tube.section(canvas.plane), rim=1.6)


def _paint_bone(canvas: Canvas, centers: Points, radii: np.ndarray, *, rim: float) -> None:
    canvas.discs(centers, radii, Tissue.CORTEX)
    inside = radii > rim + 0.3
    canvas.discs(centers[inside], radii[inside] - rim, Tissue.MARROW)


def _clavicles(traits: Traits) -> list[Tube]:
    """Return both collar bones, from the breastbone's top outwards and upwards."""
    return [Tube.through(np.array(_CLAVICLE) * [side, 1, 1, 1], traits.length_mm) for side in (1, -1)]


def paint_vertebra(canvas: Canvas, traits: Traits, level: float) -> None:
    """Paint the vertebra's body, arch and processes, or the disc, whichever the level meets."""
    row = float(SPINE_ROW.at(level))
    width, depth = _VERTEBRA_RADII.at(level)
    phase = ((canvas.plane + 7.0 * (traits.seed % 5)) / _VERTEBRA_MM) % 1
    bumps = np.array([[0.02, 0.0], [0.0, 0.05], [0.025, 0.0]])
    body = blob((0, row), (width, depth), bumps=bumps)
    canal_row = row + depth + 7.0
    spinous = spline(np.add(_SPINOUS, (0, canal_row)))
    arch = blob((0, canal_row), (14 + 2 * level, 10.6))
    canvas.fill(blob((0, row), (width + 3, depth + 2.5)), Tissue.MUSCLE)
    if phase < 0.62:  # pedicles, laminae, transverse processes
        for side in both_sides(spline(np.add(_TRANSVERSE, (0, canal_row)))):
            canvas.fill(side, Tissue.CORTEX)
            canvas.fill(offset(side, -1.5), Tissue.MARROW)
        canvas.fill(arch, Tissue.CORTEX)
        canvas.fill(offset(arch, -1.5), Tissue.MARROW)
    else:  # facet joints
        for side in both_sides(blob((14, canal_row + 4), (6, 8), angle=-0.5)):
            canvas.fill(side, Tissue.CORTEX)
            canvas.fill(offset(side, -2), Tissue.MARROW)
    if 0.25 < phase:
        canvas.fill(spinous, Tissue.CORTEX)
        canvas.fill(offset(spinous, -1.4), Tissue.MARROW)
    is_disc = phase > 0.86
    canvas.fill(body, Tissue.DISC if is_disc else Tissue.CORTEX)
    if not is_disc:
        endplate = 0.06 < phase < 0.78
        canvas.fill(offset(body, -1.3 if endplate else -2.6), Tissue.MARROW)
    canvas.fill(blob((0, canal_row), (9.5, 8)), Tissue.MUSCLE)
    canvas.fill(blob((0, canal_row), (8.6, 7.2)), Tissue.CANAL)


def _paint_ribs(canvas: Canvas, traits: Traits, level: float) -> None:
    if level < LUNG_TOP:
        return
    wall = offset(chest_wall(level), 5.2)
    first, last = round(_RIB_FRONT * STEPS), round(_RIB_BACK * STEPS)
    fine = np.linspace(last, first, 150)
    index = np.arange(first, last + 1)
    course = np.stack([np.interp(fine, index, wall[first : last + 1, k]) for k in (0, 1)], axis=1)
    around = np.linspace(0, 1, len(fine))
    start = traits.length_mm * (0.115 + 0.0685 * np.arange(12))
    plane = start[:, None] + traits.rib_slope * _RIB_DROP[:, None] * (0.25 * around + 0.75 * around**1.2)
    depth = np.abs(plane - canvas.plane)
    for side, shift in ((1, 0.0), (-1, traits.tilt_mm)):
        depth = np.abs(plane + shift - canvas.plane)
        for rib in range(12):
            _paint_rib(canvas, course * [side, 1], around, depth[rib], _RIB_END[rib])


def _paint_rib(canvas: Canvas, course: Points, around: np.ndarray, depth: np.ndarray, end: float) -> None:
    height, radius = 6.2, 4.0
    hit = (depth < height) & (around < end)
    if not hit.any():
        return
    radii = radius * np.sqrt(1 - (depth[hit] / height) ** 2)
    bony = around[hit] < _CARTILAGE_FROM
    centers = course[hit]
    canvas.discs(centers[~bony], radii[~bony] + 0.8, Tissue.CARTILAGE)
    canvas.discs(centers[bony], radii[bony], Tissue.CORTEX)
    inside = bony & (radii > 1.5)
    canvas.discs(centers[inside], radii[inside] - 1.15, Tissue.MARROW)


def _paint_sternum(canvas: Canvas, traits: Traits, level: float) -> None:
    if not 0.195 < level < 0.66:
        return
    row = chest_wall(level)[0, 1] - 8.5
    width = float(np.interp(level, [0.195, 0.22, 0.3, 0.33, 0.55, 0.6, 0.66], [20, 29, 21, 16, 19, 13, 4]))
    bumps = np.array([[0.04, 0.0], [0.0, 0.06], [0.03, 0.02]])
    plate = blob((traits.tilt_mm * 0.2, row), (width, 6.2 if level < 0.6 else 4), bumps=bumps)
    canvas.fill(plate, Tissue.CORTEX)
    canvas.fill(offset(plate, -1.3), Tissue.MARROW)


def _paint_shoulder_blade(canvas: Canvas, level: float) -> None:
    plate = spline(_BLADE.at(level), closed=False)
    thick = float(np.interp(level, [0.07, 0.2, 0.35, 0.43], [20, 40, 34, 10]))
    for side in both_sides(plate):
        canvas.stroke(side, thick, Tissue.MUSCLE)
    for side in both_sides(plate):
        canvas.stroke(side, 2.8, Tissue.CORTEX)
        lateral = side[-12:]
        canvas.discs(lateral, np.linspace(2.5, 6.0, 12), Tissue.CORTEX)
        canvas.discs(lateral, np.linspace(1.0, 4.4, 12), Tissue.MARROW)
        canvas.stroke(side[4:-12], 0.7, Tissue.MARROW)
    if 0.08 < level < 0.19:
        ridge = np.array([(112, 74), (130, 84), (150, 82), (172, 66)], float)
        ridge[1:] += [0, (0.14 - level) * 120]
        for side in both_sides(spline(ridge, closed=False)):
            canvas.stroke(side, 5.0, Tissue.CORTEX)
            canvas.stroke(side, 2.2, Tissue.MARROW)


def _paint_humeral_head(canvas: Canvas, level: float) -> None:
    radius = 25 * np.sqrt(max(0.0, 1 - ((level - 0.045) / 0.085) ** 2))
    if radius < 3:
        return
    for side in both_sides(
        blob((196, 10), (radius, radius * 1.06), bumps=np.array([[0.03, 0.04], [0.02, 0.0]]))
    ):
        canvas.fill(side, Tissue.CORTEX)
        canvas.fill(offset(side, -2.0), Tissue.MARROW)
