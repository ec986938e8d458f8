"""Apply a recipe to a slice: every stage for the page, or the output alone for the cache and prediction."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.crop import View, view_around
from pipeline.preprocessing.edges import detect_edges
from pipeline.preprocessing.geometry import (
    Placement,
    mask_to_slice,
    pad_to_square,
    place,
    resize_to,
    to_model_input,
)
from pipeline.preprocessing.lungs import anatomy, classic, corners
from pipeline.preprocessing.lungs.body import Body, find_body
from pipeline.preprocessing.lungs.hull import fill_hulls
from pipeline.preprocessing.lungs.isolation import Isolation
from pipeline.preprocessing.lungs.verdict import MaskVerdict, judge_mask
from pipeline.preprocessing.morphology import Binary, dilate, open_
from pipeline.preprocessing.outlines import draw_outline, outline_polygons
from pipeline.preprocessing.recipe import Recipe
from pipeline.preprocessing.thresholds import Grey, apply_threshold
from pipeline.preprocessing.windowing import WINDOWS, check_slice, finite_hu, to_grey8

__all__ = [
    "Preprocessed",
    "draw_outline",
    "find_lungs",
    "outline_polygons",
    "preprocess_output",
    "preprocess_slice",
    "to_model_input",
]


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What a recipe made of a slice.

    Attributes:
        stages: pictures in order, uint8: grey, local-threshold, erosion, closing, edges (the recipe's size,
            never cropped), lung-mask (the slice's own size), network-input (= `output`).
        output: what the network sees, uint8 (size, size) or (size, size, 3).
        lung_mask: the believed mask, (rows, columns) of the slice, 0 and 255; empty where none is believed.
        found_mask: the same before the verdict.
        matrix: affine map (2, 3) from a slice's (column, row) to the output's, a crop included.
        stage_matrix: the same to the other stages, which show the whole slice.
        level: the threshold in the slice's own unit (HU or grey levels), None for local thresholds.
        milliseconds: by step: grey, local-threshold, isolation (erosion, closing and mask), edges, verdict,
            network-input.
    """

    stages: dict[str, NDArray[np.uint8]]
    output: NDArray[np.uint8]
    lung_mask: NDArray[np.uint8]
    found_mask: NDArray[np.uint8]
    verdict: MaskVerdict
    matrix: NDArray[np.float64]
    stage_matrix: NDArray[np.float64]
    level: float | None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_cropped(self) -> bool:
        """Whether the output shows a part of the slice only."""
        return not np.array_equal(self.matrix, self.stage_matrix)

    def outlines(self) -> list[NDArray[np.float64]]:
        """Return the found mask's outlines on the stages: closed curves (n, 2) of (column, row)."""
        to_stage = self.stage_matrix
        return [points @ to_stage[:, :2].T + to_stage[:, 2] for points in outline_polygons(self.found_mask)]

    def mask_on_stages(self) -> NDArray[np.uint8]:
        """Return the found mask where the stages have it, uint8 (size, size), 0 and 255."""
        return self._mask_through(self.stage_matrix)

    def mask_on_output(self) -> NDArray[np.uint8]:
        """Return the found mask where the output has it, uint8 (size, size), 0 and 255."""
        return self._mask_through(self.matrix)

    def _mask_through(self, matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
        side = self.output.shape[0]
        return cv2.warpAffine(self.found_mask, matrix, (side, side), flags=cv2.INTER_NEAREST)


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
    fitted = _Fitted.of(image, intensity=intensity, recipe=recipe)
    clock.stop("grey")
    dark, level, body = _threshold(fitted, recipe)
    clock.stop("local-threshold")
    isolation = _isolate(fitted, dark, body, recipe)
    clock.stop("isolation")
    edges = _edges(fitted, isolation, recipe)
    clock.stop("edges")
    verdict = _judge(fitted, isolation, body)
    believed = isolation.mask if verdict.plausible else np.zeros_like(isolation.mask)
    clock.stop("verdict")
    view = _view(fitted, believed, body, recipe)
    output = _output(fitted, believed, edges, recipe, view)
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
        level=_level_in_slice(level, intensity=intensity, recipe=recipe),
        milliseconds=clock.milliseconds,
    )


def preprocess_output(image: NDArray[Any], *, intensity: str, recipe: Recipe) -> NDArray[np.uint8]:
    """Return only what the network sees: `preprocess_slice(...).output`, uint8 (size, size[, 3]).

    Raises:
        SliceArrayError: `image` is no slice.
    """
    fitted = _Fitted.of(image, intensity=intensity, recipe=recipe)
    if recipe.output == "grey" and recipe.crop.to == "none":
        return fitted.square(fitted.grey)
    dark, _, body = _threshold(fitted, recipe)
    isolation = _isolate(fitted, dark, body, recipe)
    plausible = _judge(fitted, isolation, body).plausible
    believed = isolation.mask if plausible else np.zeros_like(isolation.mask)
    edges = _edges(fitted, isolation, recipe) if recipe.output == "three-channel" else None
    return _output(fitted, believed, edges, recipe, _view(fitted, believed, body, recipe))


def find_lungs(
    image: NDArray[Any], *, intensity: str, recipe: Recipe
) -> tuple[NDArray[np.uint8], MaskVerdict]:
    """Return only the lung mask before the verdict, and the verdict: `found_mask` and `verdict` of
    `preprocess_slice`.

    Raises:
        SliceArrayError: `image` is no slice.
    """
    fitted = _Fitted.of(image, intensity=intensity, recipe=recipe)
    dark, _, body = _threshold(fitted, recipe)
    isolation = _isolate(fitted, dark, body, recipe)
    mask = mask_to_slice(fitted.square(isolation.mask), fitted.placement)
    return mask, _judge(fitted, isolation, body)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A slice at the recipe's size, before padding: what is shown, what is searched, HU if there are any."""

    grey: Grey
    search: Grey
    slice_hu: NDArray[np.float32] | None
    placement: Placement

    @classmethod
    def of(cls, image: NDArray[Any], *, intensity: str, recipe: Recipe) -> _Fitted:
        check_slice(image, intensity=intensity)
        placement = place(*image.shape, size=recipe.size, fit=recipe.fit)
        values = finite_hu(image) if intensity == "hu" else image
        values = resize_to(values, rows=placement.rows, columns=placement.columns)
        grey = to_grey8(values, intensity=intensity, center=recipe.window.center, width=recipe.window.width)
        if intensity == "grey":
            return cls(grey, _denoise(grey, recipe), None, placement)
        # Lungs are looked for in the lung window whatever window is shown.
        center, width = WINDOWS["lung"]
        is_lung_window = (recipe.window.center, recipe.window.width) == (center, width)
        search = grey if is_lung_window else to_grey8(values, intensity="hu", center=center, width=width)
        return cls(grey, _denoise(search, recipe), values, placement)

    def square(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        padded = pad_to_square(picture, self.placement)
        return padded.copy() if padded is picture else padded


def _denoise(grey: Grey, recipe: Recipe) -> Grey:
    size = recipe.denoise.size
    if recipe.denoise.method == "median":
        return cv2.medianBlur(grey, size)
    if recipe.denoise.method == "gaussian":
        return cv2.GaussianBlur(grey, (size, size), 0, borderType=cv2.BORDER_REFLECT)
    return grey


def _threshold(fitted: _Fitted, recipe: Recipe) -> tuple[Binary, float | None, Body]:
    body = find_body(fitted.search)
    dark, level = apply_threshold(
        fitted.search, fitted.slice_hu, body_level=body.level, threshold=recipe.threshold
    )
    return dark, level, body


def _isolate(fitted: _Fitted, dark: Binary, body: Body, recipe: Recipe) -> Isolation:
    lungs = recipe.lungs
    opened = open_(dark, radius=lungs.opening_radius, kernel=lungs.kernel)
    if lungs.method == "anatomy":
        isolation = anatomy.isolate(fitted.search, opened, body, lungs)
    elif lungs.method == "classic":
        isolation = classic.isolate(opened, lungs, recipe.edges)
    elif lungs.method == "corners":
        isolation = corners.isolate(opened, lungs)
    else:
        return Isolation(opened, opened, np.zeros_like(opened))
    return replace(isolation, mask=fill_hulls(isolation.mask, body.mask)) if lungs.hull else isolation


def _judge(fitted: _Fitted, isolation: Isolation, body: Body) -> MaskVerdict:
    return judge_mask(isolation.mask, body, pixels=(fitted.placement.height, fitted.placement.width))


def _edges(fitted: _Fitted, isolation: Isolation, recipe: Recipe) -> Grey:
    if recipe.edges.of == "grey":
        return detect_edges(fitted.grey, recipe.edges)
    return isolation.edges if isolation.edges is not None else detect_edges(isolation.closed, recipe.edges)


def _view(fitted: _Fitted, believed: Binary, body: Body, recipe: Recipe) -> View:
    if recipe.crop.to == "none":
        return View.whole(recipe.size)
    around = believed if recipe.crop.to == "lungs" else body.mask
    return view_around(fitted.square(around), margin=recipe.crop.margin)


def _output(
    fitted: _Fitted, believed: Binary, edges: Grey | None, recipe: Recipe, view: View
) -> NDArray[np.uint8]:
    """Return the network's input. Where no mask is believed, the whole slice is it."""
    grey = view.of(fitted.square(fitted.grey))
    whole = not believed.any()
    if recipe.output == "grey" or (recipe.output == "masked" and whole):
        return grey
    if recipe.output == "masked":
        visible = fitted.square(dilate(believed, radius=recipe.margin))
        return cv2.bitwise_and(grey, view.of(visible, binary=True))
    mask = fitted.square(np.full_like(believed, 255) if whole else believed)
    lines = np.zeros_like(mask) if edges is None else fitted.square(edges)
    return cv2.merge([grey, view.of(mask, binary=True), view.of(lines)])


def _level_in_slice(level: float | None, *, intensity: str, recipe: Recipe) -> float | None:
    """Return a level of the searched picture in the slice's own unit."""
    if intensity == "grey":
        return level
    if recipe.threshold.method == "hu":
        return recipe.threshold.level_hu
    center, width = WINDOWS["lung"]
    return None if level is None else center - width / 2 + level * width / 255


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
