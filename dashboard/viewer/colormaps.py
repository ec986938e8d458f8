"""Colour maps for heat, the same in the browser, in exports and in charts."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

_OPENCV = {
    "inferno": cv2.COLORMAP_INFERNO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "turbo": cv2.COLORMAP_TURBO,
    "jet": cv2.COLORMAP_JET,
}
# Moreland's cool-warm, every eighth of the scale: a diverging map with equal lightness on both sides of zero.
_COOLWARM = (
    (59, 76, 192), (98, 130, 234), (141, 176, 254), (184, 208, 249), (221, 221, 221),
    (245, 196, 173), (244, 154, 123), (222, 96, 77), (180, 4, 38),
)  # fmt: skip

COLORMAPS = (*_OPENCV, "coolwarm")


@cache
def colormap(name: str) -> NDArray[np.uint8]:
    """Return a colour map's 256 colours, uint8 (256, 3) RGB, from the lowest value to the highest."""
    if name == "coolwarm":
        stops = np.array(_COOLWARM, np.float64)
        at = np.linspace(0, len(stops) - 1, 256)
        channels = [np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)]
        return np.stack(channels, axis=1).round().astype(np.uint8)
    ramp = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    return cv2.cvtColor(cv2.applyColorMap(ramp, _OPENCV[name]), cv2.COLOR_BGR2RGB).reshape(256, 3)
