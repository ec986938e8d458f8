"""Packs panels into one block of bytes: a JSON header, then the compressed rasters that it points into.

A raster is sent as differences to the row above (heat, which is smooth, also to the pixel before), 16-bit
ones zigzag-coded and split into a low and a high byte plane, then zlib at its fastest. A real 512 x 512 slice
takes 0.11 MB in 8 bits, as PNG does, 0.22 MB in HU (PNG 0.27), a heatmap 0.1 MB. It comes back exact in every
browser, which pixels read from a decoded PNG do not where the browser blurs them for privacy.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.viewer.layers import ColorLayer, GreyLayer, HeatLayer, HuLayer, Layer, MaskLayer, Panel, Stack

NO_HEAT = 65535  # the 16-bit code of not-a-number


class Packer:
    """Collects rasters behind each other; equal ones are sent once."""

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._known: dict[str, dict[str, Any]] = {}
        self._length = 0

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Add a uint8, int16 or uint16 array (rows, columns[, channels]) and return where it lies."""
        blob = compress(array)
        digest = hashlib.blake2b(blob, digest_size=12).hexdigest()
        key = f"{digest}-{array.dtype.name}-{array.shape}"
        if key not in self._known:
            self._known[key] = {
                "digest": key,
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "offset": self._length,
                "length": len(blob),
            }
            self._blobs.append(blob)
            self._length += len(blob)
        return self._known[key]

    def pack(self, header: dict[str, Any]) -> bytes:
        """Return header and rasters as bytes: 4 bytes of header length, the header, the rasters."""
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        return len(text).to_bytes(4, "little") + text + b"".join(self._blobs)


def compress(array: NDArray[Any]) -> bytes:
    """Compress a uint8, int16 or uint16 array (rows, columns[, channels]) for the browser.

    The last ones are remembered: a page that runs again mostly shows the same pictures.
    """
    return _compress(array.tobytes(), array.dtype.name, array.shape)


@lru_cache(maxsize=48)
def _compress(data: bytes, dtype: str, shape: tuple[int, ...]) -> bytes:
    array = np.frombuffer(data, dtype).reshape(shape)
    if array.dtype == np.uint8:
        difference = array.copy()
        difference[1:] -= array[:-1]
        return zlib.compress(difference.tobytes(), 1)
    step = array.view(np.int16).copy()
    step[1:] -= array.view(np.int16)[:-1]  # wraps on purpose: the browser's sum wraps back
    if array.dtype == np.uint16:
        step[:, 1:] -= step[:, :-1].copy()
    zigzag = ((step << 1) ^ (step >> 15)).view(np.uint16)
    low, high = (zigzag & 255).astype(np.uint8), (zigzag >> 8).astype(np.uint8)
    return zlib.compress(low.tobytes() + high.tobytes(), 1)


def decompress(data: bytes, *, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Undo `compress`: what the browser does, in Python."""
    raw = np.frombuffer(zlib.decompress(data), np.uint8)
    if dtype == "uint8":
        return np.cumsum(raw.reshape(shape), axis=0, dtype=np.uint8)
    low, high = raw.reshape(2, *shape).astype(np.uint16)
    zigzag = low | (high << 8)
    step = (zigzag >> 1).astype(np.int16) ^ -(zigzag & 1).astype(np.int16)
    if dtype == "uint16":
        step = np.cumsum(step, axis=1, dtype=np.int16)
    return np.cumsum(step, axis=0, dtype=np.int16).view(dtype)


def describe_panels(panels: list[Panel], packer: Packer) -> list[dict[str, Any]]:
    """Return the panels as JSON, their rasters added to `packer`."""
    return [
        {
            "title": panel.title,
            "caption": panel.caption,
            "spacing": panel.spacing_mm,
            "marks": panel.marks,
            "layers": [_describe_layer(layer, packer) for layer in panel.layers],
            "outlines": [
                {
                    "name": outline.name,
                    "color": outline.color,
                    "width": outline.width,
                    "polygons": [np.round(p, 1).ravel().tolist() for p in outline.polygons],
                }
                for outline in panel.outlines
            ],
        }
        for panel in panels
    ]


def describe_stack(stack: Stack | None) -> dict[str, Any] | None:
    """Return the stack as JSON."""
    if stack is None:
        return None
    return {
        "position": stack.position,
        "count": stack.count,
        "label": stack.label,
        "colors": list(stack.colors),
    }


def _describe_layer(layer: Layer, packer: Packer) -> dict[str, Any]:
    match layer:
        case GreyLayer():
            return {
                "kind": "grey",
                "name": layer.name,
                "raster": packer.add(np.ascontiguousarray(layer.image)),
                "window": [layer.center, layer.width],
            }
        case HuLayer():
            return {
                "kind": "hu",
                "name": layer.name,
                "raster": packer.add(_to_int16(layer.image)),
                "window": [layer.center, layer.width],
            }
        case HeatLayer():
            return _describe_heat(layer, packer)
        case ColorLayer():
            return {
                "kind": "color",
                "name": layer.name,
                "raster": packer.add(np.ascontiguousarray(layer.image)),
                "opacity": layer.opacity,
            }
        case MaskLayer():
            return {
                "kind": "mask",
                "name": layer.name,
                "raster": packer.add((layer.mask != 0).astype(np.uint8)),
                "color": layer.color,
                "opacity": layer.opacity,
            }


def _describe_heat(layer: HeatLayer, packer: Packer) -> dict[str, Any]:
    codes, base, step = quantise(layer.values)
    low, high = layer.scale
    return {
        "kind": "heat",
        "name": layer.name,
        "raster": packer.add(codes),
        "base": base,
        "step": step,
        "scale": [low, high],
        "colormap": layer.colormap or ("coolwarm" if layer.signed else "inferno"),
        "signed": layer.signed,
        "opacity": layer.opacity,
        "threshold": layer.threshold,
        "fade": layer.fade,
        "unit": layer.unit,
    }


def quantise(values: NDArray[Any]) -> tuple[NDArray[np.uint16], float, float]:
    """Return 16-bit codes with `value = base + code * step`.

    The error is at most half a step, 1/131068 of the range. Not-a-number and infinities become `NO_HEAT`.
    """
    finite = np.isfinite(values)
    kept = np.where(finite, values, 0).astype(np.float64)
    base = float(values[finite].min()) if finite.any() else 0.0
    top = float(values[finite].max()) if finite.any() else 0.0
    step = (top - base) / (NO_HEAT - 1) or 1.0
    codes = np.clip(np.rint((kept - base) / step), 0, NO_HEAT - 1).astype(np.uint16)
    return np.where(finite, codes, NO_HEAT).astype(np.uint16), base, step


def _to_int16(image: NDArray[Any]) -> NDArray[np.int16]:
    if image.dtype == np.int16:
        return np.ascontiguousarray(image)
    low, high = np.iinfo(np.int16).min, np.iinfo(np.int16).max
    known = np.nan_to_num(image.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint(known), low, high).astype(np.int16)
