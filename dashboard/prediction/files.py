"""The files that an answer can be taken along as, and how each is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath
from typing import Any

from pipeline.explanation.report_card import ReportCard
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo


@dataclass(frozen=True)
class Wish:
    """What somebody wants to take along.

    Attributes:
        name: what the slice is called.
        label: whose map is shown; None where none is.
        overridden: whether a refused slice's answer was asked for.
        pixels: whether the slice's pixels go into a bundle.
        identity: the slice's own identifiers, for DICOM; None is new ones.
        card: how far the exact map of `label` can be trusted; None where that is not known yet.
    """

    run: RunInfo
    prediction: Prediction
    name: str
    label: str | None
    overridden: bool
    pixels: bool = False
    identity: Mapping[str, str] | None = None
    card: ReportCard | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What tells wishes for one slice apart."""
        averaged = self.prediction.averaging.key
        checked = (self.card.verdict, self.card.because) if self.card is not None else None
        options = (self.label, self.overridden, self.pixels, self.identity is not None)
        return self.run.id, averaged, checked, *options

    @property
    def page(self) -> dict[str, Any]:
        """What a page is asked for with."""
        options = {"label": self.label, "overridden": self.overridden, "card": self.card}
        return {"made": datetime.now().astimezone(), **options}

    def changed(self, **changes: Any) -> Wish:
        """Return the wish with other options."""
        return replace(self, **changes)


@dataclass(frozen=True)
class SavedFile:
    """One kind of file.

    Attributes:
        ending: what follows the slice's name in the file's.
        needs_answer: whether there is none for a refused slice.
    """

    title: str
    summary: str
    ending: str
    mime: str
    make: Callable[[Wish], bytes]
    needs_answer: bool = False


def _pdf(wish: Wish) -> bytes:
    from pipeline.handing_on.sheet import sheet_pdf

    return sheet_pdf(wish.prediction, wish.run, **wish.page)


def _png(wish: Wish) -> bytes:
    from pipeline.handing_on.sheet import sheet_png

    return sheet_png(wish.prediction, wish.run, **wish.page)


def _map(wish: Wish) -> bytes:
    from pipeline.inference.predict import draw_prediction, encode_png

    label = wish.label or wish.prediction.label
    values = wish.prediction.on_slice(wish.prediction.heatmap_of(label).values)
    return encode_png(draw_prediction(wish.prediction, label, values))


def _json(wish: Wish) -> bytes:
    answer = wish.prediction.to_json(input=wish.name) | {"overridden": wish.overridden}
    if wish.card is not None:
        answer["map_report"] = wish.card.to_json() | {"label": wish.label}
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _bundle(wish: Wish) -> bytes:
    from pipeline.handing_on.bundle import bundle_bytes, make_bundle

    bundle = make_bundle(wish.prediction, wish.run, pixels=wish.pixels, card=wish.card, label=wish.label)
    return bundle_bytes(bundle)


def _dicom(wish: Wish) -> bytes:
    from pipeline.handing_on.dicom import make_dicom, zipped

    made = make_dicom(wish.prediction, wish.run, identity=wish.identity, **wish.page)
    return zipped(made, PurePath(wish.name.split(",")[0]).stem)


FILES = {
    "pdf": SavedFile(
        "Page (PDF)",
        "One A4 page: slice, map with its scale, scores, what limits them, and where all of it comes from.",
        ".pdf",
        "application/pdf",
        _pdf,
    ),
    "png": SavedFile("Page (PNG)", "The same page as a picture.", ".png", "image/png", _png),
    "map": SavedFile(
        "Map (PNG)",
        "The exact map over the slice, with its scale.",
        "-map.png",
        "image/png",
        _map,
        needs_answer=True,
    ),
    "json": SavedFile(
        "Answer (JSON)",
        "What `python -m pipeline predict --json` prints.",
        ".json",
        "application/json",
        _json,
    ),
    "bundle": SavedFile(
        "Bundle (ZIP)",
        "Model, recipe, versions, scores and maps: `python -m pipeline reproduce FILE` makes the answer "
        "again and says whether it is the same.",
        "-bundle.zip",
        "application/zip",
        _bundle,
    ),
    "dicom": SavedFile(
        "DICOM (ZIP)",
        "A Secondary Capture of the map and a Structured Report: unverified, marked as research.",
        "-dicom.zip",
        "application/zip",
        _dicom,
        needs_answer=True,
    ),
}
