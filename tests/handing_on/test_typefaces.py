"""Lines in other scripts: cut among typefaces, composed, spelled where nothing shows them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.handing_on import typefaces
from pipeline.handing_on.canvas import PdfCanvas, PictureCanvas
from pipeline.handing_on.typefaces import pieces


class Face:
    def __init__(self, chars: str) -> None:
        self.has = chars.__contains__


LATIN, GREEK = Face("abc\u00e9 "), Face("\u03b1\u03b2 a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", [(LATIN, "abc")]),
        ("a\u03b1\u03b2 b", [(LATIN, "a"), (GREEK, "\u03b1\u03b2"), (LATIN, " b")]),
        ("a\nb\x00", [(LATIN, "a b[U+0000]")]),
        ("e\u0301", [(LATIN, "\u00e9")]),
        ("\u80ba", [(LATIN, "[U+80BA]")]),
        ("\u0627", [(LATIN, "[U+0627]")]),
        ("", []),
    ],
)
def test_a_line_is_cut_among_typefaces(text, expected):
    assert pieces(text, [LATIN, GREEK]) == expected


@pytest.fixture
def nothing_installed(monkeypatch):
    for made in (typefaces.picture_faces, typefaces.pdf_faces):
        made.cache_clear()
    monkeypatch.setattr(typefaces, "system_files", lambda: ())
    yield
    for made in (typefaces.picture_faces, typefaces.pdf_faces):
        made.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
def test_where_no_typeface_has_a_script_both_canvases_spell_it():
    pdf, picture = PdfCanvas((300, 100), title="a"), PictureCanvas((300, 100), scale=2.0)
    for canvas in (pdf, picture):
        spelled = canvas.width("[U+80BA]", size=10)
        assert canvas.width("\u80ba", size=10) == pytest.approx(spelled) and spelled > 30
        assert canvas.width("M\u00fcller", size=10) < spelled, "Latin letters are not"
    drawn, asked = (PictureCanvas((300, 100), scale=2.0) for _ in range(2))
    drawn.text(10, 50, "\u80ba", size=10, color="#000000")
    asked.text(10, 50, "[U+80BA]", size=10, color="#000000")
    np.testing.assert_array_equal(drawn.array(), asked.array())


@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_a_line_lies_where_it_is_put(align):
    canvas = PictureCanvas((300, 100), scale=1.0)
    canvas.text(150, 50, "abc abc", size=20, color="#000000", align=align)
    width = canvas.width("abc abc", size=20)
    columns = np.flatnonzero((canvas.array() < 128).any(axis=(0, 2)))
    start = {"left": 150.0, "center": 150 - width / 2, "right": 150 - width}[align]
    assert abs(columns[0] - start) < 4 and abs(columns[-1] - start - width) < 4
