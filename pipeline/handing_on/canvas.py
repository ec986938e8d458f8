"""One page drawn twice: as a PDF with text that can be selected, and as a picture.

A layout is written once against `Canvas`; lengths are in points (1/72 inch) from the page's upper left
corner, and text stands on its baseline. Both canvases use the typefaces that come with reportlab (Bitstream
Vera), so that they break lines alike on every machine; for other scripts than Latin see `typefaces`.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pipeline.handing_on.typefaces import PdfFace, PictureFace, pdf_faces, picture_faces, pieces
from pipeline.notice import NOTICE

A4 = (595.276, 841.89)
Align = Literal["left", "center", "right"]
_FONTS = {False: "Vera.ttf", True: "VeraBd.ttf"}
_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}  # how much of a line lies left of its place
_NAMES = {False: "Hilum", True: "Hilum-Bold"}


class Canvas(Protocol):
    """What a layout draws on. Colours are `#rrggbb`."""

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        color: str,
        bold: bool = False,
        align: Align = "left",
    ) -> None:
        """Write one line; `align` says which end of it lies at `x`."""

    def width(self, text: str, *, size: float, bold: bool = False) -> float:
        """Return how long a line is."""

    def box(
        self, x: float, y: float, width: float, height: float, *, color: str, radius: float = 0.0
    ) -> None:
        """Fill a rectangle."""

    def picture(self, x: float, y: float, width: float, height: float, picture: np.ndarray) -> None:
        """Place a picture, uint8 (rows, columns, 3)."""


class Blank:
    """A page that nothing is drawn on: to find out how much room something takes on `like`."""

    def __init__(self, like: Canvas) -> None:
        self.width = like.width

    def text(self, *_: Any, **__: Any) -> None:
        """Write nothing."""

    box = picture = text


class PdfCanvas:
    """A page as PDF."""

    def __init__(self, size: tuple[float, float], *, title: str) -> None:
        from reportlab.pdfgen.canvas import Canvas as Page

        self._height = size[1]
        self._file = io.BytesIO()
        self._page: Any = Page(self._file, pagesize=size, pageCompression=1, lang="en")
        self._page.setTitle(title)
        self._page.setAuthor("Hilum")
        self._page.setSubject(NOTICE)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        color: str,
        bold: bool = False,
        align: Align = "left",
    ) -> None:
        self._page.setFillColor(color)
        x -= _BEFORE[align] * self.width(text, size=size, bold=bold)
        for face, piece in pieces(text, _pdf_faces(bold)):
            self._page.setFont(face.name, size)
            self._page.drawString(x, self._height - y, piece)
            x += self._page.stringWidth(piece, face.name, size)

    def width(self, text: str, *, size: float, bold: bool = False) -> float:
        cut = pieces(text, _pdf_faces(bold))
        return float(sum(self._page.stringWidth(piece, face.name, size) for face, piece in cut))

    def box(
        self, x: float, y: float, width: float, height: float, *, color: str, radius: float = 0.0
    ) -> None:
        self._page.setFillColor(color)
        radius = min(radius, width / 2, height / 2)
        self._page.roundRect(x, self._height - y - height, width, height, radius, stroke=0, fill=1)

    def picture(self, x: float, y: float, width: float, height: float, picture: np.ndarray) -> None:
        from PIL import Image
        from reportlab.lib.utils import ImageReader

        image = ImageReader(Image.fromarray(np.ascontiguousarray(picture)))
        self._page.drawImage(image, x, self._height - y - height, width, height)

    def data(self) -> bytes:
        """Return the file's bytes; nothing is drawn after that."""
        self._page.showPage()
        self._page.save()
        return self._file.getvalue()


class PictureCanvas:
    """A page as a picture.

    Args:
        size: of the page, points.
        scale: pixels a point.
    """

    def __init__(self, size: tuple[float, float], *, scale: float, color: str = "#ffffff") -> None:
        from PIL import Image, ImageDraw

        self._scale = scale
        self._image: Any = Image.new("RGB", (round(size[0] * scale), round(size[1] * scale)), color)
        self._draw: Any = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        color: str,
        bold: bool = False,
        align: Align = "left",
    ) -> None:
        x -= _BEFORE[align] * self.width(text, size=size, bold=bold)
        for face, piece in pieces(text, _picture_faces(bold)):
            font, at = face.at(size * self._scale), (x * self._scale, y * self._scale)
            self._draw.text(at, piece, fill=color, font=font, anchor="ls")
            x += font.getlength(piece) / self._scale

    def width(self, text: str, *, size: float, bold: bool = False) -> float:
        cut = pieces(text, _picture_faces(bold))
        return float(sum(face.at(size * self._scale).getlength(piece) for face, piece in cut)) / self._scale

    def box(
        self, x: float, y: float, width: float, height: float, *, color: str, radius: float = 0.0
    ) -> None:
        left, top, right, bottom = (round(each * self._scale) for each in (x, y, x + width, y + height))
        corners = (left, top, max(left, right - 1), max(top, bottom - 1))
        self._draw.rounded_rectangle(
            corners, radius=min(radius, width / 2, height / 2) * self._scale, fill=color
        )

    def picture(self, x: float, y: float, width: float, height: float, picture: np.ndarray) -> None:
        from PIL import Image

        size = (round(width * self._scale), round(height * self._scale))
        resized = Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.LANCZOS)
        self._image.paste(resized, (round(x * self._scale), round(y * self._scale)))

    def array(self) -> np.ndarray:
        """Return the page, uint8 (rows, columns, 3)."""
        return np.array(self._image)

    def data(self) -> bytes:
        """Return the page as a PNG file's bytes, with the notice in its text."""
        from PIL.PngImagePlugin import PngInfo

        told, file = PngInfo(), io.BytesIO()
        told.add_text("Comment", NOTICE)
        self._image.save(file, "PNG", pnginfo=told, dpi=(72 * self._scale, 72 * self._scale))
        return file.getvalue()


def shortened(canvas: Canvas, text: str, *, size: float, width: float, bold: bool = False) -> str:
    """Return as much of a text as fits into one line, with dots where it was cut."""
    if canvas.width(text, size=size, bold=bold) <= width:
        return text
    while text and canvas.width(f"{text}...", size=size, bold=bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


def broken_lines(
    canvas: Canvas, text: str, *, size: float, width: float, bold: bool = False
) -> Iterator[str]:
    """Yield text in lines no longer than `width`; a word that is longer is cut."""
    line = ""
    for word in _pieces(canvas, text, size=size, width=width, bold=bold):
        longer = f"{line} {word}" if line else word
        if line and canvas.width(longer, size=size, bold=bold) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def _pieces(canvas: Canvas, text: str, *, size: float, width: float, bold: bool) -> Iterator[str]:
    for word in text.split():
        while canvas.width(word, size=size, bold=bold) > width and len(word) > 1:
            fits = next(
                count for count in range(len(word) - 1, 0, -1)
                if count == 1 or canvas.width(word[:count], size=size, bold=bold) <= width
            )  # fmt: skip
            yield word[:fits]
            word = word[fits:]
        yield word


def _pdf_faces(bold: bool) -> list[PdfFace]:
    return pdf_faces(_font_file(bold), _NAMES[bold])


def _picture_faces(bold: bool) -> list[PictureFace]:
    return picture_faces(_font_file(bold))


@cache
def _font_file(bold: bool) -> str:
    """Return where a typeface lies; reportlab need not be loaded for that."""
    found = importlib.util.find_spec("reportlab")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("reportlab, which brings the typefaces, is not installed.")
    return str(Path(found.submodule_search_locations[0]) / "fonts" / _FONTS[bold])
