"""What the audit measures of a slice beside its lungs: marks, window, crop, blur, noise. A few milliseconds.

All are looked for in the grey that people see: HU slices in the lung window, grey slices as they are.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.marks import count_frames, count_marks
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import display_grey
from pipeline.preprocessing.apply import find_lungs
from pipeline.preprocessing.gate import is_chest_ct
from pipeline.preprocessing.lungs.body import find_body
from pipeline.preprocessing.morphology import Binary
from pipeline.preprocessing.recipe import PRESETS

VERSION = 1  # of what is measured here: a greater one measures every slice again
COLUMNS = (
    "lung_fraction", "chest_doubt", "marks", "body_cut", "blur", "noise", "missing_rows", "lung_black",
    "tissue_white", "lung_contrast",
)  # fmt: skip
BLACK, WHITE = 2, 253  # JPEG leaves clipped pixels within so much of the ends
_BLUR_SPAN = 11  # pixels over which the picture is blurred again
_MAD = 0.6745  # median absolute deviation of a normal distribution of standard deviation 1
_LEAST_PIXELS = 400  # of a region: fewer say nothing about it
_FILLED = (124, 132)  # grey levels: a JPEG's coefficients of zero are 128
_LEAST_ROWS = 8  # a row of a JPEG's blocks
_NO_LUNGS = 0.02  # of the body: less lung says nothing about the window


def measure_slice(read: SliceImage) -> dict[str, Any]:
    """Measure a slice for the audit.

    Returns:
        `lung_fraction`: lungs over body, [0, 1].
        `chest_doubt`: why this is no chest CT slice, None where nothing speaks against it.
        `marks`: letters, arrows and white margins outside the body, a count.
        `body_cut`: share of the picture's border that runs through the body.
        `blur`: [0, 1]; 1 is a picture that blurring does not change (Crete et al. 2007).
        `noise`: standard deviation in soft tissue, grey levels.
        `missing_rows`: share of rows, from the bottom, that a decoder filled for want of data.
        `lung_black`, `tissue_white`: share of lung at the window's lower end, of tissue at its upper.
        `lung_contrast`: grey levels between the medians of lung and tissue.
        What can't be measured is None: without lungs in view, there is nothing to say of their window.
    """
    lungs, found = find_lungs(read.image, intensity=read.intensity, recipe=PRESETS["hilum"])
    grey = display_grey(read.image, intensity=read.intensity)
    body = find_body(grey)
    modality = read.header.modality if read.header is not None else None
    verdict = is_chest_ct(
        read.image, intensity=read.intensity, modality=modality, color_share=read.color_share
    )
    tissue = _tissue(body.mask, lungs)
    return {
        "lung_fraction": found.lung_fraction,
        "chest_doubt": " ".join(verdict.reasons) or None,
        "marks": count_marks(grey, body.mask) + count_frames(grey),
        "body_cut": body_cut(body.mask),
        "blur": measure_blur(grey, box=body.box) if body.area else None,
        "noise": measure_noise(grey, tissue),
        "missing_rows": missing_rows(grey),
        **_window(grey, lungs if found.plausible else np.zeros_like(lungs), tissue),
    }


def missing_rows(grey: NDArray[np.uint8]) -> float:
    """Return the share of rows at the bottom that are plain mid-grey, as decoders fill a JPEG's lost end.

    A progressive JPEG that was cut off is whole but soft, and is not found here.
    """
    low, high = _FILLED
    plain = (grey.min(axis=1) == grey.max(axis=1)) & (grey[:, 0] >= low) & (grey[:, 0] <= high)
    rows = int(np.argmin(plain[::-1])) if not plain.all() else len(grey)
    return rows / len(grey) if rows >= _LEAST_ROWS else 0.0


def body_cut(mask: Binary) -> float:
    """Return the share of the picture's border that lies in the body, [0, 1]."""
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return float((border > 0).mean())


def measure_blur(grey: NDArray[np.uint8], *, box: tuple[int, int, int, int]) -> float | None:
    """Return how little blurring changes the part of a picture in `box` (left, top, width, height), [0, 1].

    Crete, Dolmiere, Ladret and Nicolas 2007: of the differences between neighbours, the share that is left
    when the picture is averaged over 11 pixels along the same axis; the blurrier axis counts.
    """
    left, top, width, height = box
    part = grey[top : top + height, left : left + width].astype(np.float32)
    if min(part.shape) <= _BLUR_SPAN:
        return None
    shares = []
    for axis, size in ((1, (_BLUR_SPAN, 1)), (0, (1, _BLUR_SPAN))):
        sharp = np.abs(np.diff(part, axis=axis))
        blurred = np.abs(np.diff(cv2.blur(part, size), axis=axis))
        total = float(sharp.sum())
        if total > 0:
            shares.append(1 - float(np.maximum(sharp - blurred, 0).sum()) / total)
    return max(shares) if shares else None


def measure_noise(grey: NDArray[np.uint8], tissue: Binary) -> float | None:
    """Return the standard deviation of the noise in `tissue`, grey levels; None where too little is seen.

    From the median of the finest diagonal wavelet coefficients (Haar; Donoho and Johnstone 1994), which
    hardly sees edges. Pixels at the window's ends have no noise and are left out.
    """
    rows, columns = (length // 2 * 2 for length in grey.shape)
    cells = grey[:rows, :columns].astype(np.float32)
    corners = [cells[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    inside = tissue[:rows:2, :columns:2] > 0
    inside &= (np.minimum.reduce(corners) > BLACK) & (np.maximum.reduce(corners) < WHITE)
    if np.count_nonzero(inside) < _LEAST_PIXELS:
        return None
    diagonal = (corners[0] - corners[1] - corners[2] + corners[3]) / 2
    return float(np.median(np.abs(diagonal[inside])) / _MAD)


def _tissue(body: Binary, lungs: Binary) -> Binary:
    """Return the body without its rim, its lungs and theirs."""
    around = cv2.dilate(lungs, np.ones((7, 7), np.uint8))
    inner = cv2.erode(body, np.ones((9, 9), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=255)
    return np.asarray(cv2.bitwise_and(inner, cv2.bitwise_not(around)), np.uint8)


def _window(grey: NDArray[np.uint8], lungs: Binary, tissue: Binary) -> dict[str, float | None]:
    lung, other = (
        cv2.calcHist([grey], [0], mask, [256], [0, 256]).ravel().cumsum() for mask in (lungs, tissue)
    )
    if min(lung[-1], other[-1]) < _LEAST_PIXELS or lung[-1] < _NO_LUNGS * (lung[-1] + other[-1]):
        return {"lung_black": None, "tissue_white": None, "lung_contrast": None}
    medians = [int(np.searchsorted(each, each[-1] / 2)) for each in (lung, other)]
    return {
        "lung_black": float(lung[BLACK] / lung[-1]),
        "tissue_white": float(1 - other[WHITE - 1] / other[-1]),
        "lung_contrast": float(medians[1] - medians[0]),
    }
