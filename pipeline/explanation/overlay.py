"""A heatmap over its slice as one picture, with the colour bar and the notice that it must not lose."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.notice import NOTICE

STRONGEST = 0.75  # opacity of the heat where it reaches the end of the scale
_MARGIN = 14
_FOOT = 64  # rows below the slice: bar, its numbers, notice
_LEAST_WIDTH = 360
# Blue - white - red with equal lightness on both sides of zero (Moreland 2009), every quarter of the scale.
_STOPS = np.array(
    [(59, 76, 192), (141, 176, 254), (221, 221, 221), (244, 154, 123), (180, 4, 38)], np.float32
)


def diverging_colors(values: np.ndarray, *, limit: float) -> np.ndarray:
    """Return the colour of each value on the scale from -limit (blue) to limit (red), uint8 RGB."""
    at = (np.clip(values / limit, -1, 1) + 1) * (len(_STOPS) - 1) / 2
    channels = [np.interp(at, np.arange(len(_STOPS)), _STOPS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def draw_overlay(
    grey: np.ndarray, heatmap: np.ndarray, *, limit: float, title: str, notice: str = NOTICE
) -> np.ndarray:
    """Draw the heat over the slice; the weaker it is, the more the slice shows through.

    Args:
        grey: uint8 (rows, columns), the slice as it is shown.
        heatmap: float (rows, columns), signed: red speaks for the class, blue against it.
        limit: the value at the ends of the colour scale; the same for all slices of a cohort.
        title: what the map explains, one line.
        notice: what it must not lose, one line.

    Returns:
        uint8 RGB, the slice's size plus a foot with the colour bar and the notice.
    """
    picture = blend_heat(grey, heatmap, limit=limit)
    return np.vstack([_widened(picture), _foot(grey.shape[1], limit, title, notice)])


def blend_heat(grey: np.ndarray, heatmap: np.ndarray, *, limit: float) -> np.ndarray:
    """Return the slice with its heat, uint8 RGB of the slice's size; see `draw_overlay`."""
    opacity = STRONGEST * np.clip(np.abs(heatmap) / limit, 0, 1)[..., None]
    base = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    picture = base * (1 - opacity) + diverging_colors(heatmap, limit=limit) * opacity
    return np.asarray(picture.round(), np.uint8)


def _widened(picture: np.ndarray) -> np.ndarray:
    missing = max(0, _LEAST_WIDTH - picture.shape[1])
    return np.pad(picture, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)))


def _foot(columns: int, limit: float, title: str, notice: str) -> np.ndarray:
    width = max(columns, _LEAST_WIDTH)
    foot = np.zeros((_FOOT, width, 3), np.uint8)
    bar = np.linspace(-limit, limit, width - 2 * _MARGIN)
    foot[20:28, _MARGIN : width - _MARGIN] = diverging_colors(bar, limit=limit)
    _write(foot, title, 14, _MARGIN)
    _write(foot, f"-{limit:.3g} against", 42, _MARGIN)
    right = f"for +{limit:.3g}"
    (length, _), _ = cv2.getTextSize(right, cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)
    _write(foot, right, 42, width - _MARGIN - length)
    _write(foot, notice, 58, _MARGIN)
    return foot


def _write(picture: np.ndarray, text: str, row: int, column: int) -> None:
    cv2.putText(picture, text, (column, row), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (210, 215, 222), 1, cv2.LINE_AA)
