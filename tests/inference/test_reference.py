"""Distance from the training slices, and which are nearest, on features whose answer can be seen."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.phantom.patient import Patient
from pipeline.inference.engine import Engine, EngineDamagedError
from pipeline.inference.predict import predict_slice
from pipeline.inference.reference import Reference, ReferenceDamagedError, pool
from pipeline.inference.reference_fit import LEAST, fit_reference
from pipeline.inference.table import answers_table, predict_prepared
from pipeline.inference.wording import is_near, nearness_words
from tests.inference.conftest import as_grey

K = 40


def rows(count: int, *, patients: int, label: str = "positive", prefix: str = "t") -> pd.DataFrame:
    owner = [f"{prefix}{place % patients}" for place in range(count)]
    names = [f"{prefix}-{place}" for place in range(count)]
    return pd.DataFrame(
        {"slice_id": names, "label": label, "patient_id": owner, "group": owner, "content_hash": names}
    )


def made(count: int = 300, held: int = 200, *, most: int = 4000, digest: str = "d") -> Reference:
    """Fit on a cloud in the first ten of forty features."""
    rng = np.random.default_rng(0)
    spread = np.r_[np.full(10, 1.0), np.full(K - 10, 0.05)]
    train, other = rng.normal(size=(count, K)) * spread, rng.normal(size=(held, K)) * spread
    found = fit_reference(
        train, rows(count, patients=30), other, rows(held, patients=20, prefix="c"),
        dataset="ward", part="calibration", model_sha256=digest, most=most,
    )  # fmt: skip
    assert found is not None
    return found


def test_about_one_in_a_hundred_like_the_calibration_is_far():
    reference = made(held=400)
    rng = np.random.default_rng(5)
    spread = np.r_[np.full(10, 1.0), np.full(K - 10, 0.05)]
    alike = reference.distances(rng.normal(size=(2000, K)) * spread)
    assert 0.001 < (alike > reference.threshold).mean() < 0.03
    assert reference.quantile == 0.99


def test_farther_is_farther_along_the_axes_and_off_them():
    reference = made()
    inside, outside = np.zeros((4, K)), np.zeros((4, K))
    inside[:, 0] = outside[:, -1] = (0, 3, 6, 12)
    for values in (inside, outside):
        distances = reference.distances(values)
        assert (np.diff(distances) > 0).all()
        assert distances[0] < reference.threshold < distances[-1]
        assert reference.distance(values[2]) == pytest.approx(distances[2])


def test_the_sentence_says_how_far():
    reference = made()
    assert reference.sentence(reference.threshold) == ""
    said = reference.sentence(reference.threshold * 1.01)
    assert said == "It is unlike what this model was trained on: farther than 99 % of the calibration slices."


def test_few_calibration_slices_set_the_threshold_at_the_farthest():
    reference = made(held=50)
    assert reference.quantile == 1.0
    assert "farther than any of the calibration slices" in reference.sentence(reference.threshold + 1)


def test_too_few_slices_make_none():
    features = np.zeros((LEAST - 1, K))
    few = rows(LEAST - 1, patients=5)
    arguments = {"dataset": "w", "part": "val", "model_sha256": "d"}
    many = np.zeros((60, K))
    assert fit_reference(features, few, many, rows(60, patients=5), **arguments) is None
    assert fit_reference(many, rows(60, patients=5), features, few, **arguments) is None


def test_a_sample_has_slices_of_every_patient():
    reference = made(count=300, most=60)
    assert len(reference.points) == len(reference.rows) == 60
    assert (reference.rows["group"].value_counts() == 2).all() and reference.rows["group"].nunique() == 30
    assert reference.trained_on.slices == 300 and reference.trained_on.groups == 30


def test_neighbours_are_of_other_patients_nearest_first_one_each():
    reference = made()
    own = reference.rows.iloc[17]
    features = np.random.default_rng(0).normal(size=(300, K)) * np.r_[np.ones(10), np.full(30, 0.05)]
    found = reference.nearest(features[17], count=5)
    assert found[0].slice_id == own["slice_id"] and found[0].distance < 0.1
    for known in ({"patient_id": own["patient_id"]}, {"content_hash": own["content_hash"]}):
        others = reference.nearest(features[17], count=5, **known)
        patients = [one.patient_id for one in others]
        assert own["patient_id"] not in patients and len(set(patients)) == 5
        assert [one.distance for one in others] == sorted(one.distance for one in others)


def test_it_survives_the_disk_and_is_compact(tmp_path):
    reference = made()
    reference.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    values = np.random.default_rng(1).normal(size=(7, K))
    np.testing.assert_array_equal(again.distances(values), reference.distances(values))
    pd.testing.assert_frame_equal(again.rows.astype(str), reference.rows.astype(str))
    assert again.basis == reference.basis and again.points.dtype == np.float16
    unknown = reference.rows.assign(patient_id=None)
    object.__setattr__(reference, "rows", unknown)
    reference.save(tmp_path / "unknown.npz")
    assert Reference.load(tmp_path / "unknown.npz").rows["patient_id"].isna().all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"hello"])
def test_a_damaged_file_is_a_sentence(tmp_path, content, run):
    (tmp_path / "reference.npz").write_bytes(content)
    with pytest.raises(ReferenceDamagedError, match="Restore it from a backup, or delete it"):
        Reference.load(tmp_path / "reference.npz")
    (run.artifacts / "reference.npz").write_bytes(content)
    with pytest.raises(EngineDamagedError, match="distances cannot be checked"):
        Engine.load(run)


def beside(run, chest, *, far: bool) -> Engine:
    """Give a run a reference whose training slices are copies of the chest slice, or lie far from it."""
    engine = Engine.load(run)
    pooled = pool(predict_slice(engine, chest).features)
    noise = np.random.default_rng(0).normal(size=(300, len(pooled))).astype(np.float32) * pooled.std() * 0.01
    values = noise + pooled + (100 * pooled.std() if far else 0)
    reference = fit_reference(
        values[:200], rows(200, patients=20), values[200:], rows(100, patients=10, prefix="c"),
        dataset="ward", part="calibration", model_sha256=engine.facts.sha256["model.bin"],
    )  # fmt: skip
    reference.save(run.artifacts / "reference.npz")
    return Engine.load(run)


def test_a_slice_unlike_the_training_is_rejected_and_keeps_its_probabilities(run, chest):
    prediction = predict_slice(beside(run, chest, far=True), chest)
    line = prediction.to_json(input="x")
    if prediction.label == "non-informative":
        pytest.skip("the random network calls this slice non-informative")
    assert line["status"] == "rejected" and "unlike what this model was trained on" in line["reason"]
    assert len(line["probabilities"]) == 3 and line["distance"] > line["distance_check"]["threshold"]
    assert line["distance_check"]["basis"]["groups"] == 10


def test_a_slice_like_the_training_is_answered(run, chest):
    prediction = predict_slice(beside(run, chest, far=False), chest)
    assert prediction.status == "ok" and not prediction.is_unlike
    assert is_near(prediction) and nearness_words(prediction).startswith("Near its training slices")


def test_little_lung_is_never_refused_for_its_distance(run, chest):
    abdomen = as_grey(Patient(1001).slice_at(1.0))
    prediction = predict_slice(beside(run, chest, far=True), abdomen)
    assert prediction.preprocessed.verdict.lung_fraction < 0.025 and prediction.little_lung
    assert prediction.is_unlike and prediction.status == "ok"
    assert not is_near(prediction) and nearness_words(prediction).startswith("Far from its training slices")
    assert prediction.label == "non-informative" and "choose another slice" in prediction.reason


def test_without_a_reference_the_answer_says_that_the_check_is_unavailable(run, chest):
    line = predict_slice(Engine.load(run), chest).to_json(input="x")
    assert line["distance"] is None and "unavailable" in line["distance_check"]
    assert line["conformal_set"] is None and line["abstains"] is None


def test_a_reference_of_other_weights_is_not_used(run, chest):
    made(digest="another").save(run.artifacts / "reference.npz")
    assert Engine.load(run).reference is None


def test_the_table_says_what_is_unlike(run, chest):
    engine = beside(run, chest, far=True)
    prepared = predict_slice(engine, chest).preprocessed.output[None]
    answers = predict_prepared(engine, prepared)
    table = answers_table(engine, answers, pd.DataFrame({"slice_id": ["a"], "label": ["positive"]}))
    assert table["unlike"].tolist() == [table["y_pred"].item() != "non-informative"]


def test_features_are_mean_and_spread_of_each_channel_at_length_one():
    maps = np.zeros((2, 2, 2, 3), np.float32)
    maps[0, :, :, 0], maps[0, 0, 0, 1] = 2.0, 4.0
    mean, spread = [2.0, 1.0, 0.0], [0.0, np.sqrt(3.0), 0.0]
    expected = np.array(mean + spread) / np.linalg.norm(mean + spread)
    np.testing.assert_allclose(pool(maps)[0], expected, atol=1e-6)
    np.testing.assert_allclose(pool(7 * maps)[0], expected, atol=1e-6)
    np.testing.assert_array_equal(pool(maps)[1], np.zeros(6))
    np.testing.assert_allclose(pool(maps[0]), pool(maps)[0], atol=1e-7)
