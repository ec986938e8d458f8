"""What calibration patients teach: a temperature whose answer is known, an operating point, and when none."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.fitting import SENSITIVITY, fit_calibration, fit_temperature, group_weights
from pipeline.evaluation.predictions import read_predictions
from pipeline.inference.calibrated import Calibration, conformal_answer, softmax

LABELS = ("negative", "non-informative", "positive")


def drawn(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits and labels that come true just as often as softmax says."""
    logits = rng.normal(0, 1.5, (n, 3))
    return logits, (softmax(logits).cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)


def table(n: int = 300, *, patients: int = 60, factor: float = 1.0, seed: int = 0) -> pd.DataFrame:
    logits, y_true = drawn(n, np.random.default_rng(seed))
    logits = logits * factor
    columns = {f"logit_{name}": logits[:, place] for place, name in enumerate(LABELS)}
    columns |= {f"probability_{name}": softmax(logits)[:, place] for place, name in enumerate(LABELS)}
    rows = {"slice_id": [f"s{i}" for i in range(n)], "patient_id": [f"p{i % patients}" for i in range(n)]}
    return pd.DataFrame(rows | {"y_true": np.array(LABELS)[y_true]} | columns)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_logits_times_k_get_the_temperature_k(factor):
    logits, y_true = drawn(20_000, np.random.default_rng(0))
    found = fit_temperature(logits * factor, y_true, groups=np.arange(len(y_true)))
    assert found == pytest.approx(factor, rel=0.04)


def test_every_patient_weighs_the_same():
    logits, y_true = drawn(400, np.random.default_rng(1))
    groups = np.arange(400)
    once = fit_temperature(logits, y_true, groups=groups)
    times = np.random.default_rng(2).integers(1, 9, 400)
    repeated = [np.repeat(values, times, axis=0) for values in (logits, y_true, groups)]
    assert fit_temperature(repeated[0], repeated[1], groups=repeated[2]) == pytest.approx(once, rel=1e-3)
    assert group_weights(repeated[2]).sum() == pytest.approx(1)


def test_calibration_says_what_it_was_fitted_on_and_survives_the_disk():
    found = fit_calibration(read_predictions(table(factor=4)), dataset="ward", model_sha256="f" * 64)
    assert found.temperature == pytest.approx(4, rel=0.2)
    assert found.basis.text == "300 slices of 60 patients (ward, part calibration)"
    assert Calibration.model_validate_json(found.model_dump_json()) == found


def test_the_labels_stay_and_the_scores_become_truer():
    predictions = read_predictions(table(factor=4))
    found = fit_calibration(predictions, dataset="ward", model_sha256="")
    logits = predictions.logits()
    np.testing.assert_array_equal(found.probabilities(logits).argmax(1), logits.argmax(1))
    assert found.probabilities(logits).max(1).mean() < softmax(logits).max(1).mean()


def test_the_operating_point_is_the_highest_that_finds_enough():
    predictions = read_predictions(table())
    point = fit_calibration(predictions, dataset="ward", model_sha256="").operating_point
    assert point.label == "positive" and point.sensitivity >= SENSITIVITY
    scores = fit_calibration(predictions, dataset="w", model_sha256="").probabilities(predictions.logits())
    of_class = scores[predictions.y_true == 2, 2]
    above = np.sort(of_class[of_class > point.threshold])
    assert (of_class >= above[0]).mean() < SENSITIVITY <= point.sensitivity


def test_nothing_is_fitted_on_four_patients_or_one_class():
    assert fit_calibration(read_predictions(table(40, patients=4)), dataset="w", model_sha256="") is None
    alone = table(60).assign(y_true="positive")
    assert fit_calibration(read_predictions(alone), dataset="w", model_sha256="") is None


def test_few_patients_are_calibrated_without_sets_and_it_is_said():
    found = fit_calibration(read_predictions(table(60, patients=6)), dataset="w", model_sha256="")
    assert found is not None and found.conformal is None
    answer = conformal_answer(found, dict.fromkeys(LABELS, 1 / 3), "positive")
    assert answer.labels is None and answer.sentence.startswith("Not available: at least two classes need 9")
    assert answer.to_json(found)["abstains"] is None


def test_a_set_is_put_in_plain_words():
    found = fit_calibration(read_predictions(table()), dataset="w", model_sha256="")
    even = conformal_answer(found, dict.fromkeys(LABELS, 1 / 3), "positive")
    assert even.sentence.startswith("Undecided between ") and even.to_json(found)["abstains"]
    sure = conformal_answer(found, {"negative": 0.0, "non-informative": 0.0, "positive": 1.0}, "positive")
    assert sure.sentence == "Only positive is left." and not sure.to_json(found)["abstains"]
    averaged = conformal_answer(found, dict.fromkeys(LABELS, 1 / 3), "positive", plain=False)
    assert averaged.labels is None and "without averaging" in averaged.sentence
    assert "no calibration patients" in conformal_answer(None, {}, "positive").sentence
