"""From files to answers: the contract of `predict --json`, heatmaps on the slice, bad input as lines."""

import copy
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.console import handed_text, prediction_text
from pipeline.data.colour import COLOUR_NOTE, FILLED_NOTE
from pipeline.data.phantom import generate_patient
from pipeline.data.reading import read_slice_bytes
from pipeline.inference.answer import decide
from pipeline.inference.engine import Engine
from pipeline.inference.predict import draw_prediction, predict_inputs, predict_slice, write_heatmap
from pipeline.inference.wording import score_notes, shown_labels
from pipeline.preprocessing.apply import preprocess_output, to_model_input
from pipeline.preprocessing.gate import GateVerdict
from tests import families
from tests.inference.conftest import as_grey, as_hu, write_png
from tests.inference.test_gate import head

CONTRACT = ("input", "status", "reason", "label", "probabilities", "calibrated", "seen", "heatmap", "notice")


@pytest.fixture
def engine(run):
    return Engine.load(run)


def test_the_network_sees_what_the_recipe_makes(engine, chest):
    prediction = predict_slice(engine, chest)
    output = preprocess_output(chest.image, intensity="grey", recipe=engine.recipe)
    expected = to_model_input(output, image_size=families.SIZE, channels=1)
    np.testing.assert_array_equal(prediction.model_input, expected)
    logits = families.outputs("ResNet50V2", expected[None])[0][0]
    np.testing.assert_allclose(list(prediction.logits.values()), logits, atol=1e-4)
    assert prediction.label == families.CLASSES[int(logits.argmax())]


def test_probabilities_go_by_class_in_the_order_of_the_outputs(engine, chest):
    prediction = predict_slice(engine, chest)
    assert tuple(prediction.probabilities) == families.CLASSES
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.status == "ok" and not prediction.calibrated and prediction.seen == "unknown"


@pytest.mark.parametrize("label", families.CLASSES)
def test_a_heatmap_sums_to_the_margin_of_its_class(engine, chest, label):
    prediction = predict_slice(engine, chest)
    heatmap = prediction.heatmap_of(label)
    others = [value for name, value in prediction.logits.items() if name != label]
    margin = prediction.logits[label] - np.mean(others)
    assert heatmap.values.sum() + heatmap.constant == pytest.approx(margin, abs=1e-3)


def test_a_heatmap_lies_on_the_slice_it_explains(engine, phantoms):
    for image in (as_hu(phantoms[3]), as_grey(phantoms[3])):
        prediction = predict_slice(engine, image)
        laid = prediction.on_slice(prediction.heatmap.values)
        assert laid.shape == image.image.shape and laid.dtype == np.float32
        assert laid.max() == pytest.approx(prediction.heatmap.values.max(), rel=0.05)


def test_an_answer_tells_of_filled_marks_and_of_a_doubted_side(engine, chest):
    colour = cv2.merge([chest.image] * 3)
    cv2.line(colour, (40, 60), (90, 80), (0, 255, 255), 2)
    marked = read_slice_bytes(cv2.imencode(".png", colour)[1].tobytes())
    line = predict_slice(engine, marked).to_json(input="x")
    assert line["notes"] == [COLOUR_NOTE, FILLED_NOTE]
    assert line["lungs"]["suspicion"] is None
    lobe = as_hu(generate_patient(1032)[6])
    assert "One side has" in predict_slice(engine, lobe).to_json(input="x")["lungs"]["suspicion"]


def test_heat_follows_what_is_seen(engine, chest):
    """A slice moved within a padded square keeps its map: the matrix brings it back."""
    wide = np.zeros((512, 700), np.uint8)
    wide[:, 94:606] = chest.image
    from dataclasses import replace

    prediction = predict_slice(engine, replace(chest, image=wide))
    laid = prediction.on_slice(np.eye(16, dtype=np.float32))
    ridge = laid.argmax(axis=1)
    # The square's diagonal crosses a slice of 512 x 700 from column 94 to column 606.
    assert abs(ridge[256] - 350) < 25


def test_one_scale_for_a_cohort_else_the_maps_own(engine, chest):
    prediction = predict_slice(engine, chest)
    assert prediction.heat_limit() == pytest.approx(np.abs(prediction.heatmap.values).max())
    engine.facts = engine.facts.model_copy(update={"heat_range": 7.5})
    assert prediction.heat_limit() == 7.5


def test_every_input_gets_its_line(workspace, run, tmp_path, chest):
    good = write_png(tmp_path / "a" / "slice.png", chest.image)
    again = write_png(tmp_path / "b" / "slice.png", chest.image)
    intruder = write_png(tmp_path / "head.png", head())
    text = tmp_path / "notes.txt"
    text.write_text("no image")
    inputs = [good, intruder, text, tmp_path / "missing.png", again]
    lines = list(predict_inputs(workspace, run, inputs, heatmaps=tmp_path / "maps"))
    assert [line["status"] for line in lines] == ["ok", "rejected", "error", "error", "ok"]
    assert [line["input"] for line in lines] == [str(path) for path in inputs]
    for line in lines:
        assert all(key in line for key in CONTRACT)
        assert line["notice"] == "Research use only - not for diagnosis"
        json.dumps(line, allow_nan=False)
        assert line["status"] == "ok" or line["reason"]
    assert "not a chest" in lines[1]["reason"] and lines[1]["probabilities"] and lines[1]["heatmap"] is None
    assert lines[2]["label"] is None and lines[2]["probabilities"] == {}
    assert [lines[0]["heatmap"], lines[4]["heatmap"]] == [
        str(tmp_path / "maps" / name) for name in ("slice.npy", "slice-2.npy")
    ]


def test_heatmap_files_are_the_map_and_its_picture(workspace, run, tmp_path, chest):
    path = write_png(tmp_path / "slice.png", chest.image)
    (line,) = predict_inputs(workspace, run, [path], heatmaps=tmp_path / "maps")
    values = np.load(line["heatmap"], allow_pickle=False)
    assert values.dtype == np.float32 and values.shape == chest.image.shape
    expected = predict_slice(Engine.load(run), chest)
    np.testing.assert_array_equal(values, expected.on_slice(expected.heatmap.values))
    picture = cv2.imread(str(tmp_path / "maps" / "slice.png"))
    assert picture.shape == (512 + 64, 512, 3)


def test_without_a_folder_no_heatmap_is_written(workspace, run, tmp_path, chest):
    path = write_png(tmp_path / "slice.png", chest.image)
    (line,) = predict_inputs(workspace, run, [path])
    assert line["heatmap"] is None and sorted(file.name for file in tmp_path.glob("*.png")) == ["slice.png"]


def test_little_lung_is_answered_not_rejected(engine, phantoms):
    """A class for it answers; a model without one says so."""
    abdomen = as_grey(phantoms[-1])
    prediction = predict_slice(engine, abdomen)
    assert prediction.status == "ok"
    if prediction.preprocessed.verdict.lung_fraction < 0.02:
        engine.facts = engine.facts.model_copy(update={"classes": ("negative", "other", "positive")})
        assert "no class for that" in predict_slice(engine, abdomen).reason


@pytest.mark.parametrize(
    ("share", "believed", "told"),
    [
        (0.01, True, "Too little lung is in view"),
        (0.28, True, "though the lungs found fill 28% of the body"),
        (0.28, False, "for non-informative: choose"),
    ],
)
def test_why_no_disease_is_named_is_what_was_seen(engine, share, believed, told):
    scores = dict(zip(engine.classes, (0.1, 0.8, 0.1), strict=True))
    answer = decide(
        engine, refusals=(), lung_fraction=share, lungs_believed=believed, probabilities=scores, distance=None
    )
    assert told in answer.reason and answer.withheld and answer.little_lung == (share < 0.025)


def test_a_picture_of_a_map_says_no_more_than_the_page(engine, chest, monkeypatch):
    titles = []

    def draw(grey, values, *, limit, title, notice):
        titles.append(f"{title} | {notice}")
        return grey

    monkeypatch.setattr("pipeline.inference.predict.draw_overlay", draw)
    found = replace(predict_slice(engine, chest), label="positive", little_lung=False, status="ok")
    synthetic = copy.copy(engine)
    synthetic.synthetic = True
    for each in (
        found,
        replace(found, label="non-informative"),
        replace(found, status="rejected"),
        replace(found, status="rejected", gate=GateVerdict(False, ("It is a cat.",), {})),
        replace(found, engine=synthetic),
    ):
        draw_prediction(each, "positive", chest.image.astype(np.float32))
    shown, withheld, unlike, foreign, drawn = titles
    assert "positive: score (uncalibrated) 0" in shown and "Synthetic" not in shown
    assert "no probability is shown" in withheld and "0." not in withheld
    assert "refused: unlike the training" in unlike and "not taken for a chest CT slice" in foreign
    assert "Synthetic task, not COVID-19" in drawn


def test_without_an_answer_no_map_is_written(engine, chest, tmp_path):
    found = replace(predict_slice(engine, chest), label="positive", status="ok")
    assert write_heatmap(replace(found, little_lung=False), tmp_path, "a") is not None
    assert write_heatmap(replace(found, little_lung=True), tmp_path, "b") is None


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({"label": "positive"}, "positive; score (uncalibrated)", "no answer"),
        ({"label": "non-informative", "reason": "Choose another."}, "non-informative. Choose another.", "0."),
        ({"label": "positive", "little_lung": True, "reason": "Little lung."}, "no answer. Little", "0."),
        ({"status": "rejected", "reason": "It is a cat."}, "no answer (It is a cat.)", "0."),
    ],
)
def test_the_terminal_says_no_more_than_the_page(engine, chest, changes, said, unsaid):
    usual = {"status": "ok", "little_lung": False, "label": "positive", "reason": ""}
    found = replace(predict_slice(engine, chest), **usual | changes)
    text = prediction_text(found.to_json(input="a.png"))
    assert said in text and unsaid not in text
    handed = {"input": "a.png", "files": {}, "withheld": found.withheld} | usual | changes
    assert said.partition(";")[0] in handed_text(handed) and unsaid not in handed_text(handed)


def test_non_informative_asks_for_another_slice(engine, chest, monkeypatch):
    outputs = engine.run(predict_slice(engine, chest).model_input[None])
    turned = outputs._replace(logits=np.array([[0.0, 9.0, 0.0]], np.float32))
    monkeypatch.setattr(engine, "run", lambda batch: turned)
    prediction = predict_slice(engine, chest)
    assert prediction.label == "non-informative" and "choose another slice" in prediction.reason
    assert prediction.preprocessed.verdict.lung_fraction > 0.1
    assert not prediction.little_lung and prediction.withheld and "little lung" not in prediction.reason
    (note,) = score_notes(prediction)
    assert "little lung" not in note and shown_labels(prediction) == ["non-informative"]
