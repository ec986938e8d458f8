"""Is this an axial CT slice of a trunk at all? A model answers for anything; the gate does not let it.

First rules, from the picture alone. They look for what is wrong, each rule for one kind of intruder, and let
pass what none of them knows; that little lung is in view never rejects. The numbers beside the thresholds are
what 1,115 real slices and 52 intruders measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.preprocessing.windowing import to_grey8

SIDE = 128  # pixels a side at which the picture is looked at
CT_MODALITIES = frozenset({"CT", "OT", "SC", ""})  # other and secondary captures: the picture decides

MIN_SIDE = 64  # a slice cut from a paper has 100 and more
MAX_ELONGATION = 2.5  # width over height of the picture, or its inverse
MIN_LEVELS = 16  # distinct grey levels
MIN_SHARPNESS = 0.9  # gradient of the sharpest 5 %: CT slices 1.26 and more, radiographs 0.81 and less
MIN_COARSE = 0.3  # share of the variance in shapes of an eighth and more: slices 0.44, textures 0.06
MIN_BODY = 0.18  # share of the picture that the largest bright object takes: slices 0.22 and more
HEAD_ASPECT = 0.95  # width over height of the body: heads 0.68 to 0.89, trunks nearly always above 1
HEAD_RIM = 0.75  # share of directions in which the outline is nearly white (the skull)
HEAD_STEP = 0.3  # how much darker the inside is
MAX_COLOR = 0.2  # share of clearly coloured pixels: slices with arrows 0.09 and less, photographs 0.4


@dataclass(frozen=True)
class GateVerdict:
    """Whether a picture is let in, and why not.

    Attributes:
        passed: no rule spoke against it.
        reasons: one sentence for each rule that did.
        measures: what the rules measured, by name.
    """

    passed: bool
    reasons: tuple[str, ...]
    measures: dict[str, float]


def is_chest_ct(
    image: np.ndarray, *, intensity: str, modality: str | None = None, color_share: float = 0.0
) -> GateVerdict:
    """Judge one picture.

    Args:
        image: (rows, columns), float32 HU or uint8 grey.
        intensity: "hu" or "grey".
        modality: from a DICOM header, None where there is none.
        color_share: share of clearly coloured pixels in the file, [0, 1].
    """
    rows, columns = image.shape
    if min(rows, columns) < MIN_SIDE:
        return _refused(f"It has {columns} x {rows} pixels, too few to read a chest in.")
    grey = to_grey8(image, intensity=intensity, center=0, width=2000) if intensity == "hu" else image
    levels = int(np.count_nonzero(np.bincount(grey.ravel(), minlength=256)))
    if levels < MIN_LEVELS:
        return _refused(f"It has only {levels} grey levels: nearly empty, or stored wrongly.", levels=levels)
    measures = _measure(_stretched(grey)) | {"levels": levels, "color": color_share}
    measures["elongation"] = max(rows, columns) / min(rows, columns)
    measures["aspect"] *= columns / rows  # the square that was measured is the picture squeezed
    return _judged(measures, modality)


def _judged(measures: dict[str, float], modality: str | None) -> GateVerdict:
    reasons = []
    if modality is not None and modality.strip().upper() not in CT_MODALITIES:
        reasons.append(f"Its header says that it is {modality.strip()}, not CT.")
    if measures["color"] > MAX_COLOR:
        reasons.append("It is a colour picture; CT slices are grey.")
    if measures["elongation"] > MAX_ELONGATION:
        reasons.append("It is a strip, not a slice.")
    if measures["sharpness"] < MIN_SHARPNESS:
        reasons.append("It has no sharp borders between air and tissue, as a radiograph has none.")
    if _is_head(measures):
        reasons.append("A bright ring encloses it and it is taller than wide: a head, not a chest.")
    if measures["coarse"] < MIN_COARSE:
        reasons.append("It has no large shapes, such as a body and its lungs: a texture, or text.")
    if measures["body"] < MIN_BODY:
        reasons.append("No body fills the picture.")
    return GateVerdict(passed=not reasons, reasons=tuple(reasons), measures=measures)


def _is_head(measures: dict[str, float]) -> bool:
    return (
        measures["aspect"] < HEAD_ASPECT
        and measures["rim_white"] > HEAD_RIM
        and measures["rim_step"] > HEAD_STEP
    )


def _refused(reason: str, **measures: float) -> GateVerdict:
    return GateVerdict(passed=False, reasons=(reason,), measures=dict(measures))


def _stretched(grey: np.ndarray) -> np.ndarray:
    """Return the picture as float32 (SIDE, SIDE) in [0, 1], its 1st and 99th percentile at the ends."""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small, [1, 99])
    return np.clip((small - low) / max(high - low, 1e-3), 0, 1).astype(np.float32)


def _measure(picture: np.ndarray) -> dict[str, float]:
    body, box_aspect = _largest_body(picture)
    rim_white, rim_step = _rim(picture, body)
    gradient = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    return {
        "sharpness": float(np.percentile(gradient, 95)),
        "coarse": _coarse_share(picture),
        "body": float(body.mean()),
        "aspect": box_aspect,
        "rim_white": rim_white,
        "rim_step": rim_step,
    }


def _largest_body(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the largest bright object with its holes filled, bool, and its box's width over height."""
    _, bright = cv2.threshold((picture * 255).astype(np.uint8), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    holes = np.pad(1 - bright, 1, constant_values=1)
    cv2.floodFill(holes, None, (0, 0), 0)  # the dark that reaches the border is outside
    # Opening cuts the table off.
    filled = cv2.morphologyEx(bright | holes[1:-1, 1:-1], cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(filled)
    if count < 2:
        return np.zeros_like(picture, bool), 1.0
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    width, height = stats[largest, cv2.CC_STAT_WIDTH], stats[largest, cv2.CC_STAT_HEIGHT]
    return labels == largest, float(width / height)


def _rim(picture: np.ndarray, body: np.ndarray) -> tuple[float, float]:
    """Look outwards from the body's centre in 72 directions.

    Returns:
        The share of directions whose outermost fifth holds something nearly white, and the median step from
        the inside up to it.
    """
    if not body.any():
        return 0.0, 0.0
    center_row, center_column = (float(axis.mean()) for axis in np.nonzero(body))
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)[:, None]
    radii = np.arange(SIDE * 3 // 4)[None, :]
    rows = np.clip(center_row + radii * np.sin(angles), 0, SIDE - 1).astype(int)
    columns = np.clip(center_column + radii * np.cos(angles), 0, SIDE - 1).astype(int)
    values, inside = picture[rows, columns], body[rows, columns]
    reach = np.max(np.where(inside, radii, 0), axis=1, keepdims=True)
    outer = np.where((radii >= 0.8 * reach) & (radii <= reach), values, 0).max(axis=1)
    inner = np.where((radii >= 0.2 * reach) & (radii < 0.75 * reach), values, np.nan)
    inner[np.isnan(inner).all(axis=1)] = 0.0
    return float((outer > 0.9).mean()), float(np.median(outer - np.nanmedian(inner, axis=1)))


def _coarse_share(picture: np.ndarray) -> float:
    """Return how much of the picture's variance is left when only 16 x 16 cells of it are kept."""
    cells = cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA)
    return float(cv2.resize(cells, (SIDE, SIDE)).var() / max(picture.var(), 1e-6))
