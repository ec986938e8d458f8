"""Which typeface shows which character of a line: classes and runs may be named in any script.

reportlab's Bitstream Vera shows Latin letters. Other scripts are shown in the first typeface of this machine
that has them. What none shows, or would show unjoined and in the wrong direction, is spelled as its Unicode
number: never a black box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar

# By name: Pillow looks where Linux, macOS and Windows keep their typefaces.
SYSTEM = (
    "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "DroidSansFallbackFull.ttf",
    "wqy-microhei.ttc", "arial.ttf", "msyh.ttc", "simsun.ttc", "YuGothM.ttc", "malgun.ttf",
    "Arial Unicode.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc",
)  # fmt: skip
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_PROBE = 24.0  # pixels: enough to tell a character from the box for missing ones


class Face(Protocol):
    """A typeface as a canvas draws it."""

    def has(self, char: str) -> bool:
        """Return whether it shows a character."""


F = TypeVar("F", bound=Face)


def pieces(text: str, faces: Sequence[F]) -> list[tuple[F, str]]:
    """Cut a line into pieces, each with the typeface that shows it; the first is for what none shows.

    Line ends become spaces, and letters and their accents one: a class is called as its folder is, which may
    hold anything.
    """
    found: list[tuple[F, str]] = []
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    for face, shown in (_shown(char, faces) for char in line):
        if found and found[-1][0] is face:
            found[-1] = face, found[-1][1] + shown
        else:
            found.append((face, shown))
    return found


def _shown(char: str, faces: Sequence[F]) -> tuple[F, str]:
    unjoined = unicodedata.bidirectional(char) in _RIGHT_TO_LEFT or unicodedata.category(char)[0] == "M"
    if not unjoined:
        for face in faces:
            if face.has(char):
                return face, char
    return faces[0], f"[U+{ord(char):04X}]"


@cache
def system_files(names: Iterable[str] = SYSTEM) -> tuple[str, ...]:
    """Return where those of the named typefaces lie that this machine has."""
    from PIL import ImageFont

    found = []
    for name in names:
        try:
            found.append(str(ImageFont.truetype(name, 10).path))
        except OSError:  # Pillow's word for a typeface that is not there
            continue
    return tuple(found)


class PictureFace:
    """A typeface's file for pictures; any size of it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._missing = self._drawn("\U0010ffff")
        self._known: dict[str, bool] = {}

    def has(self, char: str) -> bool:
        """Return whether it shows a character: missing ones are all drawn alike."""
        if char not in self._known:
            self._known[char] = char == " " or self._drawn(char) != self._missing
        return self._known[char]

    def at(self, pixels: float) -> Any:
        """Return it at a size."""
        return _loaded(self._file, pixels)

    def _drawn(self, char: str) -> tuple[Any, bytes]:
        mask = self.at(_PROBE).getmask(char)
        return mask.size, bytes(mask)


@cache
def _loaded(file: str, pixels: float) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(file, pixels)


@cache
def picture_faces(first: str) -> list[PictureFace]:
    """Return the typefaces for pictures, the file `first` and then the machine's."""
    return [PictureFace(file) for file in (first, *system_files())]


class PdfFace:
    """A typeface registered for PDF under `name`."""

    def __init__(self, name: str, shows: Any) -> None:
        self.name = name
        self._shows = shows

    def has(self, char: str) -> bool:
        """Return whether it shows a character; reportlab writes none beyond the first 65,536."""
        return ord(char) < 0x10000 and bool(self._shows(char))


@cache
def pdf_faces(first: str, name: str) -> list[PdfFace]:
    """Return the typefaces for PDF: the file `first`, the machine's, and then names of common ones.

    Those are for what the machine has in a typeface that can't go into the file: its reader of PDF does.
    """
    files = {name: first} | {f"Hilum-{place}": file for place, file in enumerate(system_files())}
    embedded = [face for each, file in files.items() if (face := _embedded(each, file)) is not None]
    return [*embedded, *(_named(each, scripts) for each, scripts in _NAMED.items())]


def _embedded(name: str, file: str) -> PdfFace | None:
    """Return a file's typeface, None where reportlab cannot put it into a PDF (PostScript outlines)."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    try:
        font = TTFont(name, file)
    except TTFError:
        return None
    pdfmetrics.registerFont(font)
    return PdfFace(name, lambda char: ord(char) in font.face.charToGlyph)


_NAMED = {
    "HeiseiMin-W3": ("HIRAGANA", "KATAKANA"),
    "HYSMyeongJo-Medium": ("HANGUL",),
    "STSong-Light": ("CJK UNIFIED", "IDEOGRAPHIC", "FULLWIDTH"),
}


def _named(name: str, scripts: tuple[str, ...]) -> PdfFace:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(name))
    shown = [PictureFace(file) for file in system_files()]
    return PdfFace(
        name,
        lambda char: unicodedata.name(char, "").startswith(scripts) and any(face.has(char) for face in shown),
    )
