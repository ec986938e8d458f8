"""Apply a recipe to a slice: every stage for the page, or the output alone for the cache and prediction."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.geometry import mask_to_slice, to_model_input
from pipeline.preprocessing.lungs.verdict import MaskVerdict
from pipeline.preprocessing.morphology import Binary
from pipeline.preprocessing.outlines import draw_outline, outline_polygons
from pipeline.preprocessing.preprocessed import Preprocessed
from pipeline.preprocessing.recipe import Recipe
from pipeline.preprocessing.steps import (
    Fitted,
    choose_view,
    find_dark,
    find_edges,
    isolate_lungs,
    judge,
    level_in_slice,
    network_input,
)

__all__ = [
    "Preprocessed",
    "draw_outline",
    "find_lungs",
    "outline_polygons",
    "preprocess_output",
    "preprocess_slice",
    "to_model_input",
]


def preprocess_slice(
    image: NDArray[Any],
    *,
    intensity: str,
    recipe: Recipe,
    pixel_spacing: float | tuple[float, float] | None = None,
) -> Preprocessed:
    """Apply `recipe` to a slice and keep every stage.

    `image` is (rows, columns): HU of any real dtype with intensity "hu", uint8 with "grey"; it is not
    changed. `pixel_spacing`, mm, one number or (row, column), only serves the verdict's area in cm2: the
    output never depends on it.

    Raises:
        SliceArrayError: `image` is no slice (RGB, another dtype, no pixels).
    """
    clock = _Clock()
    fitted = Fitted.of(image, intensity=intensity, recipe=recipe)
    clock.stop("grey")
    dark, level, body = find_dark(fitted, recipe)
    clock.stop("local-threshold")
    isolation = isolate_lungs(fitted, dark, body, recipe)
    clock.stop("isolation")
    edges = find_edges(fitted, isolation, recipe)
    clock.stop("edges")
    verdict = judge(fitted, isolation, body)
    believed = isolation.mask if verdict.plausible else np.zeros_like(isolation.mask)
    clock.stop("verdict")
    view = choose_view(fitted, believed, body, recipe)
    output = network_input(fitted, believed, edges, recipe, view)
    clock.stop("network-input")
    square = fitted.square
    found_mask = mask_to_slice(square(isolation.mask), fitted.placement)
    lung_mask = found_mask if verdict.plausible else np.zeros_like(found_mask)
    stages = {
        "grey": square(fitted.grey),
        "local-threshold": square(dark),
        "erosion": square(isolation.eroded),
        "closing": square(isolation.closed),
        "edges": square(edges),
        "lung-mask": lung_mask,
        "network-input": output,
    }
    area = _area_cm2(found_mask, pixel_spacing)
    return Preprocessed(
        stages=stages,
        output=output,
        lung_mask=lung_mask,
        found_mask=found_mask,
        verdict=replace(verdict, lung_area_cm2=area),
        matrix=view.matrix[:2] @ np.vstack([fitted.placement.matrix, [0.0, 0.0, 1.0]]),
        stage_matrix=fitted.placement.matrix,
        level=level_in_slice(level, intensity=intensity, recipe=recipe),
        milliseconds=clock.milliseconds,
    )


def preprocess_output(image: NDArray[Any], *, intensity: str, recipe: Recipe) -> NDArray[np.uint8]:
    """Return only what the network sees: `preprocess_slice(...).output`, uint8 (size, size[, 3]).

    Raises:
        SliceArrayError: `image` is no slice.
    """
    fitted = Fitted.of(image, intensity=intensity, recipe=recipe)
    if recipe.output == "grey" and recipe.crop.to == "none":
        return fitted.square(fitted.grey)
    dark, _, body = find_dark(fitted, recipe)
    isolation = isolate_lungs(fitted, dark, body, recipe)
    plausible = judge(fitted, isolation, body).plausible
    believed = isolation.mask if plausible else np.zeros_like(isolation.mask)
    edges = find_edges(fitted, isolation, recipe) if recipe.output == "three-channel" else None
    return network_input(fitted, believed, edges, recipe, choose_view(fitted, believed, body, recipe))


def find_lungs(
    image: NDArray[Any], *, intensity: str, recipe: Recipe
) -> tuple[NDArray[np.uint8], MaskVerdict]:
    """Return only the lung mask before the verdict, and the verdict: `found_mask` and `verdict` of
    `preprocess_slice`.

    Raises:
        SliceArrayError: `image` is no slice.
    """
    fitted = Fitted.of(image, intensity=intensity, recipe=recipe)
    dark, _, body = find_dark(fitted, recipe)
    isolation = isolate_lungs(fitted, dark, body, recipe)
    mask = mask_to_slice(fitted.square(isolation.mask), fitted.placement)
    return mask, judge(fitted, isolation, body)


def _area_cm2(mask: Binary, pixel_spacing: float | tuple[float, float] | None) -> float | None:
    if pixel_spacing is None:
        return None
    row, column = pixel_spacing if isinstance(pixel_spacing, tuple) else (pixel_spacing, pixel_spacing)
    area = cv2.countNonZero(mask) * row * column / 100
    return float(area) if np.isfinite(area) and area >= 0 else None


class _Clock:
    """Milliseconds between calls of `stop`, by name."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = 1e3 * (now - self._last)
        self._last = now
