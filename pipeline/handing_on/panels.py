"""The slice, its map and the map's colour scale, on a page of any size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.data.statistics import display_grey
from pipeline.explanation.overlay import blend_heat, diverging_colors
from pipeline.handing_on.canvas import Canvas
from pipeline.inference.prediction import Prediction
from pipeline.inference.wording import has_answer

BLACK = "#000000"
_LEAST_SIDE = 512  # pixels: smaller slices are enlarged smoothly, not left to whoever shows the file
_TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)
MAP_LIMITS = (
    "The map shows where the model's evidence lies, not where disease is, and not whether the model is right."
)


@dataclass(frozen=True, eq=False)
class Pictures:
    """A slice as it is shown, and with the map of one class.

    Attributes:
        label: whose map.
        plain, heated: uint8 RGB, alike in size.
        limit: the end of the colour scale, logit margin a cell.
        own_scale: whether that is this map's own peak, so that weak evidence looks as strong as strong.
    """

    label: str
    plain: np.ndarray
    heated: np.ndarray
    limit: float
    own_scale: bool


def make_pictures(prediction: Prediction, label: str | None = None) -> Pictures:
    """Return the pictures of a slice and of what speaks for a class, by default the answer's.

    Where no class is answered there is nothing to speak for, and both are the slice.
    """
    label = label or prediction.label
    image = prediction.image
    grey = display_grey(image.image, intensity=image.intensity)
    heat = prediction.on_slice(prediction.heatmap_of(label).values)
    limit = prediction.heat_limit(label)
    heated = blend_heat(grey, heat, limit=limit)
    plain = np.repeat(grey[..., None], 3, axis=2)
    own_scale = not prediction.engine.facts.heat_range
    if not has_answer(prediction):
        heated = plain
    return Pictures(label, _enlarged(plain), _enlarged(heated), limit, own_scale)


def draw_fitted(
    canvas: Canvas, picture: np.ndarray, *, x: float, y: float, width: float, height: float
) -> None:
    """Draw a picture in the middle of a black box, as large as fits."""
    rows, columns = picture.shape[:2]
    scale = min(width / columns, height / rows)
    canvas.box(x, y, width, height, color=BLACK)
    left, top = x + (width - columns * scale) / 2, y + (height - rows * scale) / 2
    canvas.picture(left, top, columns * scale, rows * scale, picture)


def draw_scale(
    canvas: Canvas, pictures: Pictures, *, x: float, y: float, width: float, size: float, color: str
) -> float:
    """Draw the colour bar with its numbers and unit; return where what follows may begin."""
    colors = diverging_colors(np.linspace(-1, 1, 512), limit=1.0)
    canvas.picture(x, y, width, size, np.repeat(colors[None], 8, axis=0))
    line = y + 2.3 * size
    for share in _TICKS:
        at = x + (share + 1) / 2 * width
        align = {-1.0: "left", 1.0: "right"}.get(share, "center")
        canvas.text(at, line, scale_text(share * pictures.limit), size=size, color=color, align=align)  # type: ignore[arg-type]
    line += 1.5 * size
    canvas.text(x, line, "against", size=size, color=color)
    canvas.text(x + width / 2, line, "logit margin a cell", size=size, color=color, align="center")
    canvas.text(x + width, line, "for", size=size, color=color, align="right")
    return line + 0.5 * size


def scale_text(value: float) -> str:
    """Write a value of the colour scale with its sign.

    >>> scale_text(0.0), scale_text(0.25), scale_text(-1.5)
    ('0', '+0.25', '-1.5')
    """
    return "0" if value == 0 else f"{value:+.3g}"


def scale_words(pictures: Pictures) -> str:
    """Say whether the colours of two slices can be compared."""
    if pictures.own_scale:
        return "The scale is this map's own: weak evidence looks as strong as strong evidence."
    return "One scale for all slices of this model: the same colour is the same strength of evidence."


def _enlarged(picture: np.ndarray) -> np.ndarray:
    factor = _LEAST_SIDE / min(picture.shape[:2])
    if factor <= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))
