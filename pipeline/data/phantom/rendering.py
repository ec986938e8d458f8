"""From tissues to a reconstructed slice: blur, noise, table, field of view."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.geometry import SIZE, SUPERSAMPLING, Canvas, Mask
from pipeline.data.phantom.tissue import Tissue
from pipeline.data.phantom.traits import Traits

Field = NDArray[np.float32]

_TABLE_FOAM, _TABLE_SHELL = -935.0, 60.0


def ripples(rng: np.random.Generator, spacing: float) -> tuple[Field, Field]:
    """Return the maps (column, row) that make painted outlines uneven by a millimetre or so."""
    side = SIZE * SUPERSAMPLING
    axis = np.arange(side, dtype=np.float32)
    maps = []
    for base in np.meshgrid(axis, axis):
        shift = np.zeros((side, side), np.float32)
        for cells, amplitude in ((16, 1.2), (44, 0.45)):
            noise = (
                rng.standard_normal((cells, cells), dtype=np.float32) * amplitude / spacing * SUPERSAMPLING
            )
            shift += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
        maps.append(base + shift)
    columns, rows = cv2.convertMaps(maps[0], maps[1], cv2.CV_16SC2, nninterpolation=True)
    return columns, rows


def tissue_hu(
    canvas: Canvas,
    outline: Canvas,
    table: NDArray[np.float32],
    ripple: tuple[Field, Field],
    rng: np.random.Generator,
) -> Field:
    """Return the painted tissues in HU, (SIZE, SIZE), with the unevenness of real organs."""
    # The skin stays smooth; what lies inside may waver, and where it wavers away there is fat.
    inner = np.maximum(cv2.remap(canvas.pixels, *ripple, cv2.INTER_NEAREST), np.uint8(Tissue.FAT))
    labels = outline.pixels.copy()
    cv2.copyTo(inner, cv2.compare(outline.pixels, float(Tissue.FAT), cv2.CMP_EQ), labels)
    fine = cv2.LUT(labels, table)
    hu = cv2.resize(fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    grain = rng.standard_normal((SIZE // 4, SIZE // 4), dtype=np.float32)
    uneven = cv2.resize(grain, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    # Bone is the least even, fat has strands, muscle and blood are nearly smooth.
    return hu + uneven * np.interp(
        hu, [-400, -200, -110, -60, 40, 130, 200], [0, 14, 20, 16, 8, 10, 42]
    ).astype(np.float32)


def table_hu(traits: Traits, back_row: float, rng: np.random.Generator) -> tuple[Field, Field]:
    """Return the scanner's table: HU (SIZE, SIZE) and its share of each pixel.

    Args:
        back_row: pixel row on which the patient lies.
    """
    scale = SUPERSAMPLING / traits.spacing
    side = SIZE * SUPERSAMPLING
    middle = side / 2 + traits.center[0] * SUPERSAMPLING * 0.3
    shell: Mask = np.zeros((side, side), np.uint8)
    foam: Mask = np.zeros((side, side), np.uint8)
    across = np.linspace(-300, 300, 90)
    if traits.scanner.table == "curved":
        upper = 4 - 40 * (across / 250) ** 2
        lower = upper + 20 + 7 * (1 - (across / 260) ** 2)
        ends = np.abs(across) < 245
    else:
        upper = 5 - 6 * (across / 220) ** 4
        lower = upper + 28 - 20 * np.clip((np.abs(across) - 150) / 70, 0, 1)
        ends = np.abs(across) < 222
    columns = middle + across[ends] * scale
    top_line = np.column_stack([columns, back_row * SUPERSAMPLING + upper[ends] * scale]).astype(np.int32)
    bottom_line = np.column_stack([columns, back_row * SUPERSAMPLING + lower[ends] * scale]).astype(np.int32)
    cv2.fillPoly(foam, [np.vstack([top_line, bottom_line[::-1]])], 255)
    for line, width in ((top_line, 1.0), (bottom_line, 2.0)):
        cv2.polylines(shell, [line], False, 255, max(1, round(width * scale)), cv2.LINE_AA)
    mattress = np.column_stack([columns, top_line[:, 1] - 5 * scale]).astype(np.int32)
    cv2.polylines(shell, [mattress], False, 60, max(1, round(0.7 * scale)), cv2.LINE_AA)
    small_shell = cv2.resize(shell, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    small_foam = cv2.resize(foam, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    hu = _TABLE_FOAM + (_TABLE_SHELL * rng.uniform(0.4, 1.1) - _TABLE_FOAM) * small_shell
    return hu.astype(np.float32), np.maximum(small_foam, small_shell)


def cloth_hu(body_mask: NDArray[np.bool_], rng: np.random.Generator) -> Field:
    """Return faint lines of a gown or blanket close outside the body, HU to add to air, (SIZE, SIZE)."""
    coarse = cv2.GaussianBlur(rng.standard_normal((64, 64), dtype=np.float32), (0, 0), 2.2)
    waves = cv2.resize(coarse / coarse.std(), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    distance = cv2.distanceTransform((~body_mask).astype(np.uint8), cv2.DIST_L2, 3)
    near = np.exp(-(((distance - 12 - 9 * waves) / 1.1) ** 2)) * np.clip(waves + 0.4, 0, 1)
    return (90 * near * (distance > 3)).astype(np.float32)


def reconstruction_noise(
    traits: Traits, rng: np.random.Generator, *, amplitude: float, streaks: NDArray[np.float32]
) -> Field:
    """Return noise as a filtered back projection makes it, HU, (SIZE, SIZE).

    Its spectrum is a band: the ramp filter takes the coarse part, the kernel the fine one.

    Args:
        amplitude: standard deviation in HU.
        streaks: share (SIZE, 1) of each row's noise that runs along the row, as between the shoulders.
    """
    fine, coarse = traits.scanner.noise_grain_px
    white = rng.standard_normal((SIZE, SIZE), dtype=np.float32)
    band = cv2.GaussianBlur(white, (0, 0), fine) - cv2.GaussianBlur(white, (0, 0), coarse)
    band *= amplitude / float(band[::7, ::7].std())
    if streaks.max() > 0.02:
        narrow = cv2.resize(white, (SIZE // 4, SIZE), interpolation=cv2.INTER_AREA)
        narrow = cv2.GaussianBlur(narrow, (0, 0), sigmaX=5.5, sigmaY=0.7)
        narrow *= streaks * (amplitude * 1.5 / float(narrow.std()))
        band += cv2.resize(narrow, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return band


def reconstructed(hu: Field, traits: Traits) -> Field:
    """Return the slice as the kernel shows it: blurred, with a sharp kernel's slight overshoot."""
    sigma = traits.scanner.blur_px
    soft = cv2.GaussianBlur(hu, (0, 0), sigma)
    if traits.scanner.kernel == "sharp":
        soft = soft + 0.35 * (soft - cv2.GaussianBlur(soft, (0, 0), 1.3))
    return soft


def outside_circle() -> NDArray[np.bool_]:
    """Return the pixels outside the circle that the scanner reconstructs, (SIZE, SIZE)."""
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    return axis[:, None] ** 2 + axis[None, :] ** 2 > (SIZE / 2) ** 2
