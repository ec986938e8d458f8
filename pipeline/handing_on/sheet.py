"""One answer on one A4 page, as a PDF or as a picture: what was asked, what was said, what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pipeline.explanation.report_card import ReportCard
from pipeline.handing_on.canvas import A4, Blank, Canvas, PdfCanvas, PictureCanvas, broken_lines, shortened
from pipeline.handing_on.facts import origin, slice_words
from pipeline.handing_on.map_verdict import MapVerdict, map_verdict
from pipeline.handing_on.panels import MAP_LIMITS, draw_fitted, draw_scale, make_pictures, scale_words
from pipeline.handing_on.versions import hilum_version
from pipeline.inference.prediction import Prediction, score_text
from pipeline.inference.seen import SENTENCES
from pipeline.inference.wording import (
    answer_words,
    distance_words,
    doubts,
    has_answer,
    picture_notes,
    score_notes,
    shown_labels,
)
from pipeline.notice import NOTICE, SYNTHETIC
from pipeline.runs import RunInfo

_INK, _MUTED, _RULE, _GROOVE = "#161b23", "#566072", "#d9dee6", "#e8ebf0"
_ACCENT, _REST = "#5b4bd6", "#b9c1cd"
_WARN, _WARN_GROUND, _BAD = "#7a4f00", "#fff1cc", "#b3262e"
_LEFT, _RIGHT = 42.0, A4[0] - 42.0
_WIDTH = _RIGHT - _LEFT
_GAP = 16.0
_HALF = (_WIDTH - _GAP) / 2
_SECOND = _LEFT + _HALF + _GAP
_FOOT = A4[1] - 50  # what is above ends here
_MOST_BARS = 8
_MOST_LINES = 5  # of one text: lists of a hundred classes stay on the page
_SCALE = 200 / 72  # of the picture: 200 pixels an inch


def sheet_pdf(
    prediction: Prediction,
    run: RunInfo,
    *,
    made: datetime,
    label: str | None = None,
    overridden: bool = False,
    card: ReportCard | None = None,
) -> bytes:
    """Return the page as a PDF file's bytes, its text selectable; see `draw_sheet`."""
    canvas = PdfCanvas(A4, title=f"What {run.name} says of a slice")
    draw_sheet(canvas, prediction, run, made=made, label=label, overridden=overridden, card=card)
    return canvas.data()


def sheet_png(
    prediction: Prediction,
    run: RunInfo,
    *,
    made: datetime,
    label: str | None = None,
    overridden: bool = False,
    card: ReportCard | None = None,
) -> bytes:
    """Return the page as a PNG file's bytes, 200 pixels an inch; see `draw_sheet`."""
    canvas = PictureCanvas(A4, scale=_SCALE)
    draw_sheet(canvas, prediction, run, made=made, label=label, overridden=overridden, card=card)
    return canvas.data()


def draw_sheet(
    canvas: Canvas,
    prediction: Prediction,
    run: RunInfo,
    *,
    made: datetime,
    label: str | None = None,
    overridden: bool = False,
    card: ReportCard | None = None,
) -> None:
    """Draw an answer on an A4 page.

    A refused slice's page says why, and shows neither scores nor a map.

    Args:
        run: whose answer it is.
        made: when; with its time zone.
        label: whose map is shown; the answer's where it is None.
        overridden: whether somebody asked for a refused slice's answer all the same.
        card: how far that map can be trusted; None where it was not checked.
    """

    def draw(on: Canvas, side: float) -> float:
        y = _draw_head(on, prediction, run, made)
        why = "" if prediction.status == "ok" or overridden else "No map: the slice was refused."
        why = why or ("" if has_answer(prediction) else "No map: too little lung is in view.")
        y = _draw_pictures(on, prediction, label, y, side=side, without=why)
        return _draw_words(on, prediction, run, y, overridden=overridden, card=card)

    over = draw(Blank(canvas), _HALF) - _FOOT  # many classes and long names take room from the pictures
    draw(canvas, _HALF - max(0.0, over))
    _draw_foot(canvas)


def _draw_words(
    canvas: Canvas,
    prediction: Prediction,
    run: RunInfo,
    y: float,
    *,
    overridden: bool,
    card: ReportCard | None,
) -> float:
    """Draw what stands below the pictures; return where it ends."""
    shown = prediction.status == "ok" or overridden
    y = _draw_rule(canvas, y + 4)
    left = (
        _draw_answer(canvas, prediction, y, overridden=overridden)
        if shown
        else _refused(canvas, prediction, y)
    )
    y = max(left, _draw_limits(canvas, prediction, y, shown=shown)) + 4
    if shown and has_answer(prediction):
        y = _draw_map_verdict(canvas, map_verdict(prediction, card), _draw_rule(canvas, y)) + 2
    return _draw_origin(canvas, prediction, run, _draw_rule(canvas, y))


def _draw_head(canvas: Canvas, prediction: Prediction, run: RunInfo, made: datetime) -> float:
    canvas.text(_LEFT, 52, "Hilum", size=9, color=_ACCENT, bold=True)
    canvas.text(_RIGHT, 52, _time(made), size=8, color=_MUTED, align="right")
    canvas.text(_LEFT, 76, "What the model says of a slice", size=18, color=_INK, bold=True)
    if run.synthetic or prediction.synthetic:
        width = canvas.width(SYNTHETIC, size=8, bold=True) + 14
        canvas.box(_RIGHT - width, 61, width, 18, color=_ACCENT, radius=4)
        canvas.text(_RIGHT - 7, 73, SYNTHETIC, size=8, color="#ffffff", bold=True, align="right")
    canvas.box(_LEFT, 88, _WIDTH, 22, color=_WARN_GROUND, radius=4)
    canvas.text(_LEFT + _WIDTH / 2, 102.5, NOTICE, size=9.5, color=_WARN, bold=True, align="center")
    return 124.0


def _draw_pictures(
    canvas: Canvas, prediction: Prediction, label: str | None, y: float, *, side: float, without: str
) -> float:
    pictures = make_pictures(prediction, label)
    for x, title in ((_LEFT, "The slice"), (_SECOND, f"What speaks for {pictures.label}")):
        if x == _LEFT or not without:
            title = shortened(canvas, title, size=9, width=_HALF, bold=True)
            canvas.text(x, y + 7, title, size=9, color=_INK, bold=True)
    y += 13
    draw_fitted(canvas, pictures.plain, x=_LEFT, y=y, width=_HALF, height=side)
    _write(canvas, slice_words(prediction.image), x=_LEFT, y=y + side + 12, width=_HALF, size=7)
    if without:
        canvas.box(_SECOND, y, _HALF, side, color=_GROOVE, radius=4)
        canvas.text(_SECOND + _HALF / 2, y + side / 2, without, size=8, color=_MUTED, align="center")
        return y + side + 20
    draw_fitted(canvas, pictures.heated, x=_SECOND, y=y, width=_HALF, height=side)
    end = draw_scale(canvas, pictures, x=_SECOND, y=y + side + 6, width=_HALF, size=7, color=_MUTED)
    said = f"{scale_words(pictures)} {MAP_LIMITS}"
    return _write(canvas, said, x=_LEFT, y=end + 9, width=_WIDTH, size=7)


def _draw_answer(canvas: Canvas, prediction: Prediction, y: float, *, overridden: bool) -> float:
    """Draw the answer and its scores in the left half; return where it ends."""
    if overridden and prediction.status != "ok":
        words = f"Shown at a reader's wish although it was refused: {prediction.reason}"
        y = _write(canvas, words, x=_LEFT, y=y + 6, width=_HALF, size=7.5, color=_BAD) + 2
    canvas.text(_LEFT, y + 6, "The model says", size=7.5, color=_MUTED)
    said = shortened(canvas, answer_words(prediction), size=17, width=_HALF, bold=True)
    canvas.text(_LEFT, y + 26, said, size=17, color=_INK, bold=True)
    labels = shown_labels(prediction)
    y = _draw_bars(canvas, prediction, labels[:_MOST_BARS], y + 38)
    notes = [*score_notes(prediction), *picture_notes(prediction)]
    notes.append(prediction.reason if prediction.status == "ok" else "")
    if len(labels) > _MOST_BARS:
        notes.insert(0, f"{len(labels) - _MOST_BARS} further classes have less.")
    for note in filter(None, notes):
        y = _write(canvas, note, x=_LEFT, y=y + 4, width=_HALF, size=7) - 1
    return _draw_said(canvas, "Was it in the training?", SENTENCES[prediction.seen], x=_LEFT, y=y + 6)


def _draw_bars(canvas: Canvas, prediction: Prediction, labels: Sequence[str], y: float) -> float:
    widest = max((canvas.width(name, size=8, bold=True) for name in labels), default=0.0)
    column = min(0.42 * _HALF, widest + 8)
    left, whole = _LEFT + column, _HALF - column - 40
    for name in labels:
        value, first = prediction.probabilities[name], name == prediction.label
        color = _INK if first else _MUTED
        line = shortened(canvas, name, size=8, width=column - 4, bold=True)
        canvas.text(_LEFT, y + 8, line, size=8, color=color, bold=first)
        canvas.box(left, y + 1.5, whole, 7, color=_GROOVE, radius=3)
        canvas.box(left, y + 1.5, max(1.0, whole * value), 7, color=_ACCENT if first else _REST, radius=3)
        number = score_text(value)
        canvas.text(_LEFT + _HALF, y + 8, number, size=8, color=color, bold=first, align="right")
        y += 15
    return y + 4


def _refused(canvas: Canvas, prediction: Prediction, y: float) -> float:
    canvas.text(_LEFT, y + 6, "The slice was refused", size=7.5, color=_MUTED)
    canvas.text(_LEFT, y + 26, "no answer", size=17, color=_BAD, bold=True)
    return _write(canvas, prediction.reason, x=_LEFT, y=y + 42, width=_HALF, size=8, color=_INK)


def _draw_map_verdict(canvas: Canvas, verdict: MapVerdict, y: float) -> float:
    """Draw how far the map can be trusted over the page's width; return where it ends."""
    y = _draw_said(canvas, "Can the map be trusted?", verdict.said, x=_LEFT, y=y)
    for words in filter(None, (verdict.because, verdict.checks)):
        y = _write(canvas, words, x=_LEFT, y=y, width=_WIDTH, size=7)
    return y


def _draw_limits(canvas: Canvas, prediction: Prediction, y: float, *, shown: bool) -> float:
    """Draw what keeps the answer from being certain in the right half; return where it ends."""
    for title, said, note in _limits(prediction, shown=shown):
        y = _draw_said(canvas, title, said, note, x=_SECOND, y=y) + 3
    return y


def _draw_said(canvas: Canvas, title: str, said: str, note: str = "", *, x: float, y: float) -> float:
    canvas.text(x, y + 6, title, size=7.5, color=_MUTED)
    y = _write(canvas, said, x=x, y=y + 17, width=_HALF, size=8, color=_INK)
    return _write(canvas, note, x=x, y=y, width=_HALF, size=7)


def _limits(prediction: Prediction, *, shown: bool) -> Iterator[tuple[str, str, str]]:
    if shown:
        yield from doubts(prediction)
    passed = "Looks like an axial CT slice of the trunk." if prediction.gate.passed else "Not taken for one."
    yield "Is it a chest CT slice?", passed, f"{distance_words(prediction)}."


def _draw_origin(canvas: Canvas, prediction: Prediction, run: RunInfo, y: float) -> float:
    canvas.text(_LEFT, y + 8, "Where it comes from", size=9, color=_INK, bold=True)
    y += 22
    for title, said in origin(prediction, run):
        canvas.text(_LEFT, y, title, size=7, color=_MUTED)
        y = _write(canvas, said, x=_LEFT + 74, y=y, width=_WIDTH - 74, size=7, color=_INK, line=9.5) + 1
    return y


def _draw_foot(canvas: Canvas) -> None:
    y = A4[1] - 34
    canvas.box(_LEFT, y - 12, _WIDTH, 0.6, color=_RULE)
    canvas.text(_LEFT, y, f"{NOTICE}. Not a medical device; not verified by a reader.", size=7, color=_MUTED)
    canvas.text(_RIGHT, y, f"Hilum {hilum_version()}", size=7, color=_MUTED, align="right")


def _draw_rule(canvas: Canvas, y: float) -> float:
    canvas.box(_LEFT, y, _WIDTH, 0.6, color=_RULE)
    return y + 10


def _write(
    canvas: Canvas,
    text: str,
    *,
    x: float,
    y: float,
    width: float,
    size: float,
    color: str = _MUTED,
    line: float | None = None,
) -> float:
    """Write text in at most `_MOST_LINES` lines; return where the next line would stand."""
    pieces = list(broken_lines(canvas, text, size=size, width=width))
    if len(pieces) > _MOST_LINES:
        rest = " ".join(pieces[_MOST_LINES - 1 :])
        pieces[_MOST_LINES - 1 :] = [shortened(canvas, rest, size=size, width=width)]
    for piece in pieces:
        canvas.text(x, y, piece, size=size, color=color)
        y += line or 1.42 * size
    return y


def _time(made: datetime) -> str:
    return f"{made:%d %B %Y, %H:%M} {made.tzname() or ''}".strip()
