"""Report cards of real engines, and the check against shuffled weights that is made once for a model."""

import json
import shutil

import numpy as np
import pytest

from pipeline.console import prediction_text
from pipeline.explanation.report_card import RELY_NOT, VERDICTS
from pipeline.inference import randomized
from pipeline.inference.engine import Engine
from pipeline.inference.map_report import patches_of, question_of, report_map
from pipeline.inference.predict import predict_inputs, predict_slice
from pipeline.inference.randomized import FILE, LEVELS, MapCheck, map_check, shuffled
from tests import families
from tests.inference.conftest import as_grey, patient, write_png


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine in a folder of its own, beside which its check is kept."""
    folder = tmp_path_factory.mktemp("run") / "engine"
    shutil.copytree(families.engine_folder("ResNet50V2"), folder)
    return Engine.open(folder)


@pytest.fixture(autouse=True)
def _few_phantoms(monkeypatch):
    monkeypatch.setattr(randomized, "SEEDS", range(3000, 3001))


def test_shuffled_weights_give_other_answers_and_leave_the_engine_alone(engine):
    """From the top down: half of the layers leave the lower ones as they are, and the answer is another."""
    batch = families.slices(1)
    before = engine.run(batch).features
    half, all_ = (shuffled(engine, share=share) for share in (0.5, 1.0))
    found = [run(batch).features for run, _ in (half, all_)]
    assert all(np.abs(features - before).max() > 0.1 * np.abs(before).max() for features in found)
    assert not np.allclose(*found)
    np.testing.assert_array_equal(engine.run(batch).features, before)
    assert all_[1].weights.std() == pytest.approx(engine.cam.weights.std(), rel=0.1)


def test_the_head_alone_leaves_the_features_as_they_are(engine):
    run, cam = shuffled(engine, share=0.0)
    assert run == engine.run and not np.allclose(cam.weights, engine.cam.weights)
    again = shuffled(engine, share=0.0)[1]
    np.testing.assert_array_equal(again.weights, cam.weights)


def test_the_check_is_made_once_for_a_model(engine, monkeypatch):
    found = map_check(engine)
    assert list(found.correlations) == list(LEVELS) and "2 synthetic slices of 1 phantom" in found.basis
    assert all(-1 <= value <= 1 for value in found.correlations.values())
    monkeypatch.setattr(randomized, "_measure", None)  # it cannot be made again
    assert map_check(engine) == found


@pytest.mark.parametrize("text", ["{", '{"model_sha256": "of another", "correlations": {}, "basis": ""}'])
def test_a_damaged_check_or_one_of_another_model_is_made_anew(engine, text, monkeypatch):
    anew = MapCheck(
        model_sha256=engine.facts.sha256["model.bin"], correlations={"all layers": 0.0}, basis="1 slice"
    )
    monkeypatch.setattr(randomized, "_measure", lambda *_: anew)
    (engine.folder.parent / FILE).write_text(text, encoding="utf-8")
    assert map_check(engine) == anew == map_check(engine)


def test_a_slice_gets_its_card(engine, chest):
    told = []
    card = report_map(
        predict_slice(engine, chest), progress=lambda done, total, _="": told.append(done / total)
    )
    assert card.verdict in VERDICTS and len(card.checks) == 6
    assert told == sorted(told) and told[-1] <= 1
    assert {check.key: check.level for check in card.checks}["randomized"] != "unknown"


def test_a_refused_slice_is_not_asked_about(engine):
    from pipeline.data.slice_image import SliceImage

    noise = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    prediction = predict_slice(engine, SliceImage(noise, "grey", "png", 8))
    assert prediction.status == "rejected"
    card = report_map(prediction)
    assert card.verdict == RELY_NOT and prediction.reason in card.because and not card.checks


def test_hidden_patches_show_one_grey_in_the_lungs_and_another_elsewhere(engine):
    prediction = predict_slice(engine, as_grey(patient(1007)[3]))
    patches = patches_of(prediction)
    assert patches.image.shape == patches.empty.shape == prediction.model_input.shape
    values, counts = np.unique(patches.empty, return_counts=True)
    lungs = np.count_nonzero(prediction.preprocessed.lung_mask) / prediction.preprocessed.lung_mask.size
    assert counts[-1] / patches.empty.size == pytest.approx(lungs, abs=0.03)
    assert lungs > 0.1 and len(values) == 2 and 0 <= values[0] < values[1] < 120


def test_the_difference_is_in_question_where_it_is_shown(engine, chest):
    prediction = predict_slice(engine, chest)
    alone = question_of(prediction, "positive")
    against = question_of(prediction, "positive", against="negative")
    assert against.contrast.tolist() == [-1, 0, 1] and alone.contrast.tolist() == [-0.5, -0.5, 1]
    np.testing.assert_allclose(
        against.values,
        2 / 3 * (alone.values - question_of(prediction, "negative").values),
        atol=1e-6,
    )


def test_the_command_line_says_it_too(run, workspace, chest, tmp_path, monkeypatch):
    anew = MapCheck(model_sha256="", correlations={"all layers": 0.0}, basis="1 slice")
    monkeypatch.setattr(randomized, "_measure", lambda *_: anew)
    path = write_png(tmp_path / "slice.png", chest.image)
    (answer,) = predict_inputs(workspace, run, [path], check_maps=True)
    report = answer["map_report"]
    assert report["verdict"] in VERDICTS and len(report["checks"]) == 6
    assert json.loads(json.dumps(answer, allow_nan=False))["map_report"]["sentence"] == report["sentence"]
    assert prediction_text(answer).endswith(f"{report['sentence']} {report['because']}")
    (plain,) = predict_inputs(workspace, run, [path])
    assert "map_report" not in plain
