"""The steps that a recipe takes a slice through, each from the arrays of the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.crop import View, view_around
from pipeline.preprocessing.edges import detect_edges
from pipeline.preprocessing.geometry import Placement, pad_to_square, place, resize_to
from pipeline.preprocessing.lungs import anatomy, classic, corners
from pipeline.preprocessing.lungs.body import Body, find_body
from pipeline.preprocessing.lungs.hull import fill_hulls
from pipeline.preprocessing.lungs.isolation import Isolation
from pipeline.preprocessing.lungs.verdict import MaskVerdict, judge_mask
from pipeline.preprocessing.morphology import Binary, dilate, open_
from pipeline.preprocessing.recipe import Recipe
from pipeline.preprocessing.thresholds import Grey, apply_threshold
from pipeline.preprocessing.windowing import WINDOWS, check_slice, finite_hu, to_grey8


@dataclass(frozen=True, eq=False)
class Fitted:
    """A slice at the recipe's size, before padding: what is shown, what is searched, HU if there are any."""

    grey: Grey
    search: Grey
    slice_hu: NDArray[np.float32] | None
    placement: Placement

    @classmethod
    def of(cls, image: NDArray[Any], *, intensity: str, recipe: Recipe) -> Fitted:
        """Bring a slice to the recipe's size.

        Raises:
            SliceArrayError: `image` is no slice.
        """
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
        """Return a picture of the fitted slice padded to the recipe's square, never the same array."""
        padded = pad_to_square(picture, self.placement)
        return padded.copy() if padded is picture else padded


def _denoise(grey: Grey, recipe: Recipe) -> Grey:
    size = recipe.denoise.size
    if recipe.denoise.method == "median":
        return cv2.medianBlur(grey, size)
    if recipe.denoise.method == "gaussian":
        return cv2.GaussianBlur(grey, (size, size), 0, borderType=cv2.BORDER_REFLECT)
    return grey


def find_dark(fitted: Fitted, recipe: Recipe) -> tuple[Binary, float | None, Body]:
    """Return what is as dark as lung, the level (grey levels or HU) it is told by, if one, and the body."""
    body = find_body(fitted.search)
    dark, level = apply_threshold(
        fitted.search, fitted.slice_hu, body_level=body.level, threshold=recipe.threshold
    )
    return dark, level, body


def isolate_lungs(fitted: Fitted, dark: Binary, body: Body, recipe: Recipe) -> Isolation:
    """Return the lungs among what is dark, and the pictures on the way there."""
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


def judge(fitted: Fitted, isolation: Isolation, body: Body) -> MaskVerdict:
    """Return whether a mask can be believed."""
    return judge_mask(isolation.mask, body, pixels=(fitted.placement.height, fitted.placement.width))


def find_edges(fitted: Fitted, isolation: Isolation, recipe: Recipe) -> Grey:
    """Return the edges of the slice or of its lungs, uint8 strengths."""
    if recipe.edges.of == "grey":
        return detect_edges(fitted.grey, recipe.edges)
    return isolation.edges if isolation.edges is not None else detect_edges(isolation.closed, recipe.edges)


def choose_view(fitted: Fitted, believed: Binary, body: Body, recipe: Recipe) -> View:
    """Return the part of the slice that the network sees."""
    if recipe.crop.to == "none":
        return View.whole(recipe.size)
    around = believed if recipe.crop.to == "lungs" else body.mask
    return view_around(fitted.square(around), margin=recipe.crop.margin)


def network_input(
    fitted: Fitted, believed: Binary, edges: Grey | None, recipe: Recipe, view: View
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


def level_in_slice(level: float | None, *, intensity: str, recipe: Recipe) -> float | None:
    """Return a level of the searched picture in the slice's own unit."""
    if intensity == "grey":
        return level
    if recipe.threshold.method == "hu":
        return recipe.threshold.level_hu
    center, width = WINDOWS["lung"]
    return None if level is None else center - width / 2 + level * width / 255
