"""The page: what stands on it, that nothing leaves it, and that its PDF can be searched."""

from __future__ import annotations

import copy
import io
import re
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from pipeline.data.colour import COLOUR_NOTE, FILLED_NOTE
from pipeline.explanation.closed_form import closed_form_cam
from pipeline.handing_on.canvas import A4, PictureCanvas
from pipeline.handing_on.map_verdict import NOT_CHECKED
from pipeline.handing_on.sheet import draw_sheet, sheet_pdf, sheet_png
from pipeline.inference.calibrated import Basis, Calibration, ConformalSets, OperatingPoint
from pipeline.notice import NOTICE
from tests import families
from tests.handing_on.conftest import CARD

MADE = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LONG = "organising pneumonia of unknown cause after an infection with an as yet unnamed virus"


@dataclass
class Page:
    """A canvas that remembers what was drawn: texts with their ends, and pictures."""

    texts: list[tuple[str, float, float, float]] = field(default_factory=list)
    pictures: int = 0

    def __post_init__(self) -> None:
        self._measure = PictureCanvas((10, 10), scale=2.0)

    def text(self, x, y, text, *, size, color, bold=False, align="left"):
        width = self.width(text, size=size, bold=bold)
        left = x - {"left": 0.0, "center": width / 2, "right": width}[align]
        self.texts.append((text, left, left + width, y))

    def width(self, text, *, size, bold=False):
        return self._measure.width(text, size=size, bold=bold)

    def box(self, x, y, width, height, *, color, radius=0.0):
        assert x >= 0 and y >= 0 and x + width <= A4[0] and y + height <= A4[1]

    def picture(self, x, y, width, height, picture):
        self.pictures += 1

    @property
    def words(self) -> str:
        return " ".join(text for text, *_ in self.texts)


def drawn(prediction, run, **options) -> Page:
    page = Page()
    draw_sheet(page, prediction, run, made=MADE, **options)
    return page


def calibrated(prediction):
    """Return the answer of the same network with a calibration."""
    basis = Basis(dataset="wards", part="calibration", slices=120, groups=30, unit="patient")
    found = Calibration(
        model_sha256=prediction.engine.facts.sha256["model.bin"],
        basis=basis,
        temperature=2.0,
        operating_point=OperatingPoint(
            label="positive", threshold=0.2, target=0.9, sensitivity=0.91, specificity=0.7
        ),
        conformal=ConformalSets(
            alpha=0.1, floors=dict.fromkeys(families.CLASSES, 0.0), groups=dict.fromkeys(families.CLASSES, 30)
        ),
    )

    engine = copy.copy(prediction.engine)
    engine.calibration = found
    return replace(prediction, engine=engine, calibrated=True, little_lung=False)


def test_it_says_what_was_answered_and_what_that_rests_on(grey, run):
    page = drawn(grey, run)
    for words in (
        NOTICE, "Score (uncalibrated)", grey.label, run.id, grey.engine.facts.sha256["model.bin"],
        grey.engine.recipe.hash, "ResNet50V2", "f32 on CPU", "04 May 2026, 09:30 UTC", "Hilum 0.",
        "logit margin a cell", "not where disease is", "Looks like an axial CT slice",
    ):  # fmt: skip
        assert words in page.words, words
    assert page.pictures == 3, "the slice, the slice with the map, the colour bar"
    assert "Synthetic" not in page.words
    ends = {f"{sign}{grey.heat_limit():.3g}" for sign in "+-"}
    assert ends <= {text for text, *_ in page.texts}, "the scale is absolute"


def test_a_synthetic_model_is_called_so(grey, run):
    assert "Synthetic task, not COVID-19" in drawn(grey, replace(run, tags={"synthetic": "true"})).words


def test_calibration_conformal_set_and_operating_point(grey, run):
    page = drawn(calibrated(grey), run)
    assert "fitted to how often the model was right on 120 slices of 30 patients" in page.words
    assert "Undecided between" in page.words and "90% of new patients" in page.words
    assert "alled positive (from 0.20 on)" in page.words
    assert "uncalibrated" not in page.words and "temperature 2.000" in page.words


def test_a_refused_slice_shows_no_score_and_no_map_unless_somebody_asked(grey, run):
    refused = replace(grey, status="rejected", reason="It is a photograph of a cat.")
    page = drawn(refused, run)
    assert "no answer" in page.words and "photograph of a cat" in page.words
    assert page.pictures == 1 and "Score" not in page.words and "logit" not in page.words
    page = drawn(refused, run, overridden=True)
    assert "although it was refused" in page.words and "Score" in page.words and page.pictures == 3


def test_a_refused_slice_that_is_shown_has_scores_and_no_probability(grey, run):
    refused = replace(calibrated(grey), status="rejected", reason="It is unlike the training.")
    page = drawn(refused, run, overridden=True)
    assert "Scores, not probabilities" in page.words and "nobody tested how often it is right" in page.words
    assert "Undecided between" not in page.words and "alled positive" not in page.words


def test_with_little_lung_no_disease_has_a_probability(grey, run):
    page = drawn(replace(grey, little_lung=True, label="positive", model_label="positive"), run)
    assert "no answer" in page.words and "no probability of disease is shown" in page.words
    assert page.pictures == 1 and "What speaks for" not in page.words
    assert "No map: too little lung" in page.words
    assert not re.search(r"\b0\.\d\d\b", page.words.split("The model says")[1].split("Is it a chest")[0])


def many_classes(prediction, count=24):
    """Return an answer about many classes with long names."""
    names = [f"{LONG} {number}" for number in range(count)]
    place = prediction.engine.classes.index(prediction.label)
    scores = {name: 1 / count for name in names}

    class Many(type(prediction)):
        def heatmap_of(self, label, **_):
            return closed_form_cam(self.features, self.engine.cam, class_index=place)

    fields = {name: getattr(prediction, name) for name in prediction.__dataclass_fields__}

    engine = copy.copy(prediction.engine)
    engine.facts = engine.facts.model_copy(update={"classes": tuple(names)})
    return Many(**fields | {"engine": engine, "label": names[0], "model_label": names[0],
                            "probabilities": scores, "logits": scores, "little_lung": False})  # fmt: skip


def undecided(prediction):
    """Return an answer that excludes none of many classes."""
    many = many_classes(prediction)
    names = many.engine.classes
    sets = ConformalSets(alpha=0.1, floors=dict.fromkeys(names, 0.0), groups=dict.fromkeys(names, 30))
    found = calibrated(prediction).engine.calibration.model_copy(
        update={"conformal": sets, "operating_point": None}
    )
    many.engine.calibration = found
    assert len(many.conformal.labels) == len(names)
    return many


@pytest.mark.parametrize(
    "kind", ["plain", "calibrated", "many", "undecided", "wide", "synthetic", "checked", "all"]
)
def test_nothing_leaves_the_page(kind, grey, ct, run):
    made = {"calibrated": calibrated, "many": many_classes, "undecided": undecided}
    prediction = made.get(kind, lambda each: each)(grey)
    if kind == "wide":
        image = replace(grey.image, image=grey.image.image[180:300])
        prediction = replace(grey, image=image)
    if kind == "all":
        prediction = undecided(calibrated(grey))
    run = replace(run, name="r" * 64, tags={"synthetic": "true"}) if kind in ("synthetic", "all") else run
    page = drawn(prediction, run, card=CARD if kind in ("checked", "undecided", "all") else None)
    *body, _, _ = page.texts
    assert max(y for *_, y in body) <= A4[1] - 46, "nothing runs into the foot"
    for text, left, right, y in page.texts:
        assert left >= 40 and right <= A4[0] - 40 and 40 <= y <= A4[1] - 30, text


def test_the_pdf_is_one_a4_page_whose_text_can_be_selected(grey, run, tmp_path):
    data = sheet_pdf(grey, run, made=MADE)
    assert data.startswith(b"%PDF-") and data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") == 1
    assert b"/MediaBox [ 0 0 595.276 841.89 ]" in data
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext here")
    (tmp_path / "a.pdf").write_bytes(data)
    done = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True
    )
    assert NOTICE in done.stdout and grey.engine.facts.sha256["model.bin"] in done.stdout


def named(prediction, name):
    """Return the answer as if its class were called otherwise."""
    old = prediction.label

    def renamed(values):
        return {name if key == old else key: value for key, value in values.items()}

    engine = copy.copy(prediction.engine)
    classes = tuple(name if each == old else each for each in engine.classes)
    engine.facts = engine.facts.model_copy(update={"classes": classes})
    return replace(
        prediction, engine=engine, label=name, model_label=name, little_lung=False,
        probabilities=renamed(prediction.probabilities), logits=renamed(prediction.logits),
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext here")
def test_a_class_in_any_script_stands_in_the_pdf_or_is_spelled(grey, run, tmp_path):
    run = replace(run, name="Пневмония")
    (tmp_path / "a.pdf").write_bytes(sheet_pdf(named(grey, "肺炎 ذ"), run, made=MADE))
    done = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True
    )
    text = "".join(done.stdout.split())
    assert "肺炎" in text or "[U+80BA][U+708E]" in text
    assert "Пневмония" in text or "[U+041F]" in text
    assert "[U+0630]" in text, "unjoined letters in the wrong order are no word"


def test_what_the_maps_report_card_said_stands_on_the_page(grey, run):
    accepted = replace(grey, status="ok", reason="")
    page = drawn(accepted, run)
    assert "Can the map be trusted?" in page.words and NOT_CHECKED in page.words
    page = drawn(accepted, run, card=CARD)
    assert CARD.sentence in page.words and NOT_CHECKED not in page.words
    assert "Heat inside the lungs 71% (passed)" in page.words and "(failed)" in page.words
    refused = drawn(replace(grey, status="rejected", reason="A cat."), run, card=CARD, overridden=True)
    assert "The slice was refused: A cat." in refused.words and "71%" not in refused.words


def test_the_picture_is_the_same_page(grey, run):
    picture = Image.open(io.BytesIO(sheet_png(grey, run, made=MADE)))
    assert picture.size == (1654, 2339) and picture.text["Comment"] == NOTICE


def test_what_was_done_to_the_picture_and_a_doubted_side_stand_on_the_page(grey, run):
    verdict = replace(
        grey.preprocessed.verdict, plausible=True, lung_fraction=0.2, measures=(("symmetry", 0.3),)
    )
    marked = replace(
        grey,
        image=replace(grey.image, notes=(COLOUR_NOTE, FILLED_NOTE)),
        preprocessed=replace(grey.preprocessed, verdict=verdict),
    )
    assert (
        "marks drawn in colour" in drawn(marked, run).words and "30% of the other" in drawn(marked, run).words
    )
    assert "marks drawn in colour" not in drawn(grey, run).words
