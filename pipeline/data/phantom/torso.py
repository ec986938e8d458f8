"""Body outline, chest wall, fat and muscles."""

from __future__ import annotations

import numpy as np

from pipeline.data.phantom.geometry import STEPS, Canvas, Keyframes, Points, blob, mirrored, offset, spline
from pipeline.data.phantom.tissue import Tissue
from pipeline.data.phantom.traits import Traits

# Half contours from the front midline to the back midline, mm, of a lean adult. Level 0: neck, 1: kidneys.
MUSCLE_SURFACE = Keyframes.of(
    {
        0.00: [(0, -58), (30, -55), (50, -40), (68, -18), (105, -12), (155, -16), (212, -4), (230, 28),
            (200, 60), (120, 74), (50, 72), (0, 71)],
        0.10: [(0, -64), (36, -66), (76, -70), (118, -66), (165, -58), (208, -34), (226, 8), (200, 58),
            (140, 84), (80, 92), (30, 92), (0, 91)],
        0.18: [(0, -82), (40, -86), (82, -92), (126, -90), (168, -74), (200, -40), (208, 8), (190, 62),
            (142, 99), (80, 110), (30, 109), (0, 108)],
        0.28: [(0, -99), (40, -106), (82, -112), (128, -104), (158, -78), (176, -40), (182, 10),
            (172, 63), (136, 105), (80, 121), (30, 120), (0, 119)],
        0.45: [(0, -106), (40, -111), (85, -112), (126, -96), (152, -66), (166, -20), (166, 30),
            (150, 77), (116, 110), (75, 124), (30, 122), (0, 121)],
        0.70: [(0, -109), (40, -112), (85, -107), (123, -86), (150, -48), (160, 0), (157, 45), (138, 85),
            (108, 111), (70, 123), (30, 121), (0, 120)],
        1.00: [(0, -108), (42, -108), (82, -97), (116, -72), (140, -35), (147, 5), (144, 45), (128, 81),
            (100, 105), (65, 118), (30, 115), (0, 114)],
    }
)  # fmt: skip
# The inner surface of the rib cage: the pleural cavity's outer wall.
CHEST_WALL = Keyframes.of(
    {
        0.090: [(0, 6), (30, 4), (40, 2), (50, 4), (56, 10), (55, 18), (48, 23), (40, 24), (32, 22),
            (26, 18), (0, 16)],
        0.115: [(0, -14), (28, -20), (46, -22), (62, -14), (71, 4), (70, 24), (58, 38), (44, 42),
            (30, 40), (20, 33), (0, 28)],
        0.15: [(0, -34), (26, -42), (52, -44), (76, -34), (90, -8), (90, 22), (76, 48), (56, 60),
            (35, 59), (21, 48), (0, 40)],
        0.20: [(0, -56), (28, -64), (60, -65), (90, -50), (108, -16), (110, 20), (96, 52), (70, 72),
            (42, 74), (24, 62), (0, 48)],
        0.28: [(0, -79), (28, -84), (66, -83), (101, -62), (122, -22), (125, 18), (111, 56), (81, 82),
            (48, 87), (26, 73), (0, 54)],
        0.45: [(0, -86), (28, -92), (72, -91), (111, -68), (133, -22), (137, 20), (122, 60), (89, 90),
            (52, 96), (29, 81), (0, 57)],
        0.62: [(0, -88), (30, -95), (76, -92), (114, -66), (137, -20), (140, 22), (125, 62), (91, 92),
            (53, 97), (30, 80), (0, 53)],
        0.78: [(0, -90), (32, -97), (80, -90), (117, -60), (138, -15), (140, 25), (124, 62), (90, 91),
            (53, 95), (31, 77), (0, 48)],
        1.00: [(0, -90), (35, -94), (78, -83), (110, -54), (128, -12), (128, 25), (113, 58), (82, 84),
            (51, 88), (30, 70), (0, 42)],
    }
)  # fmt: skip
LUNG_TOP = 0.09  # level of the apex
_AROUND = 11  # control points of half a muscle surface, less one


def muscle_surface(level: float) -> Points:
    """Return the closed outline of everything beneath the fat, (220, 2) mm; index 0 is the front midline."""
    return spline(mirrored(MUSCLE_SURFACE.at(level)))


def chest_wall(level: float) -> Points:
    """Return the closed inner outline of the rib cage, (200, 2) mm; index 0 is the front midline."""
    return spline(mirrored(CHEST_WALL.at(level)))


def band(contour: Points, start: float, stop: float, *, outer: float, inner: float) -> Points:
    """Return a tapered strip along a stretch of a contour, the left side's control points `start` to `stop`.

    Args:
        contour: closed, `STEPS` points a control point.
        start, stop: control points counted from the front midline.
        outer, inner: depths in mm, inwards positive; the strip tapers to its ends.
    """
    first, last = round(start * STEPS), round(stop * STEPS)
    taper = np.sin(np.linspace(0.12, np.pi - 0.12, last - first + 1)) ** 0.5
    depth = np.zeros(len(contour))
    near = offset(contour, -outer)[first : last + 1]
    depth[first : last + 1] = outer + (inner - outer) * taper
    far = offset(contour, -depth)[first : last + 1]
    return np.vstack([near, far[::-1]])


def both_sides(points: Points) -> tuple[Points, Points]:
    """Return a left-sided shape and its mirror image."""
    return points, points * [-1, 1]


def fat_thickness(traits: Traits, level: float, count: int) -> np.ndarray:
    """Return the subcutaneous fat in mm at each of `count` points around the body from the front midline."""
    around = np.linspace(0, 2 * np.pi, count, endpoint=False)
    flank = 0.75 + 0.35 * np.sin(around / 2) ** 2 - 0.2 * np.cos(2 * around)
    belly = 1 + max(0.0, level - 0.6) * (0.9 + 0.7 * np.cos(around))
    thickness = traits.fat_mm * flank * belly
    if traits.breast_mm:
        side = np.exp(-(((np.abs((around + np.pi) % (2 * np.pi) - np.pi) - 0.62) / 0.36) ** 2))
        thickness = thickness + traits.breast_mm * side * np.exp(-(((level - 0.47) / 0.14) ** 2))
    return thickness


def paint_outline(canvas: Canvas, traits: Traits, level: float) -> None:
    """Paint the trunk's skin, and all inside it as fat."""
    surface = muscle_surface(level)
    skin = offset(surface, fat_thickness(traits, level, len(surface)))
    canvas.fill(skin, Tissue.SKIN)
    canvas.fill(offset(skin, -2.2), Tissue.FAT)


def paint_torso(canvas: Canvas, traits: Traits, level: float) -> None:
    """Paint the muscles of the trunk; bones and organs come on top."""
    surface = muscle_surface(level)
    if traits.breast_mm > 12 and 0.36 < level < 0.58:
        _paint_breast_glands(canvas, traits, level)
    _paint_wall_muscles(canvas, traits, level, surface)
    if level < 0.2:
        _paint_shoulder(canvas, level)
    if level < 0.13:
        _paint_neck(canvas, level)
    _paint_back(canvas, level)


def _paint_wall_muscles(canvas: Canvas, traits: Traits, level: float, surface: Points) -> None:
    bulk = traits.muscle
    strips: list[tuple[float, float, float, float]] = []
    if 0.1 < level < 0.56:  # pectoralis major, minor
        fullness = np.sin(np.pi * (level - 0.1) / 0.46) ** 0.7
        strips += [(0.4, 3.6, 1, 1 + 15 * bulk * fullness)]
        if 0.16 < level < 0.36:
            strips += [(1.4, 3.2, 18 * bulk, 27 * bulk)]
    if 0.26 < level < 0.86:  # latissimus dorsi
        strips += [(5.4, 8.6, 2, 2 + 13 * bulk * min(1.0, (0.9 - level) * 3))]
    if 0.04 < level < 0.6:  # trapezius, rhomboids
        strips += [(8.4, 10.9, 1, 1 + 8 * bulk)]
    if level > 0.72:  # abdominal wall
        strips += [(0.05, 1.6, 2, 11 * bulk), (1.4, 6.4, 2, 13 * bulk)]
    for start, stop, outer, inner in strips:
        for side in both_sides(band(surface, start, stop, outer=outer, inner=inner)):
            canvas.fill(side, Tissue.MUSCLE)
    if level > LUNG_TOP:
        wall = chest_wall(level)
        canvas.fill(offset(wall, 5.0), Tissue.MUSCLE)  # intercostals
        if 0.3 < level < 0.75:  # serratus anterior
            for side in both_sides(band(wall, 3.6, 7.4, outer=-12, inner=-12 - 7 * bulk)):
                canvas.fill(side, Tissue.MUSCLE)


def _paint_shoulder(canvas: Canvas, level: float) -> None:
    """Paint deltoid, supraspinatus and the muscles around the shoulder blade."""
    for points in (
        blob((186, 8), (34, 46), angle=0.2),
        blob((118, 48), (62, 22), angle=-0.25),
        blob((150, -36), (34, 22), angle=-0.5),
    ):
        for side in both_sides(points):
            canvas.fill(side, Tissue.MUSCLE)
    for side in both_sides(blob((138, 4), (22, 18), angle=0.6)):  # axillary fat
        canvas.fill(side, Tissue.FAT)
    if level < 0.1:
        for side in both_sides(blob((92, 14), (26, 12), angle=0.3)):
            canvas.fill(side, Tissue.FAT)


def _paint_neck(canvas: Canvas, level: float) -> None:
    """Paint scalenes, sternocleidomastoids, longus colli, levator and the strap muscles."""
    fade = 1 - level / 0.16
    for center, radii, angle in (
        ((32, -36), (14 * fade + 4, 9), 0.9),
        ((40, -4), (15, 19), -0.4),
        ((52, 30), (20, 14), 0.5),
        ((11, 0), (9, 6), 0.0),
        ((9, -46), (10, 4), 0.2),
        ((70, 40), (20, 13), 0.5),
    ):
        for side in both_sides(blob(center, radii, angle=angle)):
            canvas.fill(side, Tissue.MUSCLE)
    if level < 0.075:
        for side in both_sides(blob((15, -30), (7.5, 13), angle=0.15)):
            canvas.fill(side, Tissue.THYROID)


BACK_ROW = Keyframes.of({0.0: 46.0, 0.12: 72.0, 0.28: 94.0, 0.5: 97.0, 0.75: 94.0, 1.0: 84.0})


def _paint_back(canvas: Canvas, level: float) -> None:
    """Paint the erector muscles beside the spinous processes."""
    row = float(BACK_ROW.at(level))
    width = 19 + 9 * level
    for side in both_sides(blob((8 + width, row + 2), (width, 15 + 5 * level), angle=0.08)):
        canvas.fill(side, Tissue.MUSCLE)


def _paint_breast_glands(canvas: Canvas, traits: Traits, level: float) -> None:
    rng = np.random.default_rng(traits.seed + 17)
    for _ in range(14):
        center = (rng.uniform(70, 120), rng.uniform(-150, -112) - traits.fat_mm * 0.4)
        radii = rng.uniform(2, 7, 2) * np.exp(-(((level - 0.47) / 0.07) ** 2))
        if radii.min() > 1:
            for side in both_sides(blob(center, radii, angle=rng.uniform(0, 3))):
                canvas.fill(side, Tissue.GLAND)
