"""Averaging over views and networks: what is averaged, what stays, and what cannot be."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.statistics import describe_slice
from pipeline.inference.averaging import Averaging, AveragingError, in_order, make_averaging, moved
from pipeline.inference.calibrated import Basis, Calibration, OperatingPoint
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_inputs, predict_slice
from pipeline.inference.seen import SENTENCES, WORST_FIRST, SeenSlices
from pipeline.inference.wording import score_notes
from tests import families
from tests.inference.conftest import write_png


def test_the_first_view_is_the_slice_and_the_others_are_moved_a_little(chest):
    views = moved(chest.image, Averaging(views=5, rotation=5.0, translation=0.03))
    assert len(views) == 5
    np.testing.assert_array_equal(views[0], chest.image)
    for view in views[1:]:
        assert view.shape == chest.image.shape and (view != chest.image).any()
        assert np.corrcoef(view.ravel(), chest.image.ravel())[0, 1] > 0.5
    again = moved(chest.image, Averaging(views=5))
    np.testing.assert_array_equal(views[3], again[3])


def test_probabilities_are_the_views_mean_and_the_map_stays(run, chest):
    engine = Engine.load(run)
    plain = predict_slice(engine, chest)
    found = predict_slice(engine, chest, averaging=Averaging(views=4))
    assert found.members.shape == (4, 3)
    np.testing.assert_allclose(list(found.probabilities.values()), found.members.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.members[0], list(plain.probabilities.values()), atol=1e-5)
    assert found.logits == pytest.approx(plain.logits, abs=1e-4)
    np.testing.assert_array_equal(found.heatmap_of("positive").values, plain.heatmap_of("positive").values)
    assert "without averaging" in found.conformal.sentence or "no calibration" in found.conformal.sentence


def test_networks_are_averaged_by_class_name(chest, run):
    first, second = Engine.load(run), families.engine("EfficientNetV2B0")
    found = predict_slice(first, chest, averaging=Averaging(others=(second,), names=("b",)))
    alone = [predict_slice(engine, chest).probabilities for engine in (first, second)]
    for name in families.CLASSES:
        assert found.probabilities[name] == pytest.approx(np.mean([one[name] for one in alone]), abs=1e-5)
    assert found.to_json(input="x")["averaging"] == {"views": 1, "ensemble": ["b"]}


def test_an_average_is_a_score_and_says_the_worst_of_its_networks(run, chest):
    learnt = SeenSlices(
        {describe_slice(chest)[0]["content_hash"]: "train"}, frozenset(), np.zeros((0, 32, 32))
    )
    second = copy.copy(families.engine("EfficientNetV2B0"))
    second.synthetic = True
    engine = copy.copy(Engine.load(run))
    engine.calibration = Calibration(
        model_sha256="d", temperature=2.0,
        basis=Basis(dataset="w", part="calibration", slices=9, groups=9, unit="patient"),
        operating_point=OperatingPoint(
            label="positive", threshold=0.0, target=0.9, sensitivity=0.9, specificity=0.1
        ),
    )  # fmt: skip
    plain = predict_slice(engine, chest)
    assert plain.calibrated and plain.to_json(input="x")["operating_point"]["called"]
    averaging = Averaging(others=(second,), names=("b",), seen=(learnt,))
    found = predict_slice(engine, chest, averaging=averaging)
    assert not found.calibrated and found.to_json(input="x")["operating_point"] is None
    assert found.seen == "train", "the other network learnt from it"
    assert found.synthetic and not plain.synthetic
    told = " ".join(score_notes(replace(found, label="positive", little_lung=False, status="ok")))
    assert "uncalibrated" in told and "learnt from synthetic slices" in told


def test_the_worst_of_what_networks_know_counts():
    assert set(WORST_FIRST) == set(SENTENCES)
    assert WORST_FIRST.index("near-duplicate") < WORST_FIRST.index("test")
    assert WORST_FIRST.index("unknown") < WORST_FIRST.index("no"), "one that does not say may have learnt it"


def test_columns_follow_the_wanted_order(run):
    engine = Engine.load(run)
    values = np.array([[0.1, 0.2, 0.7]])
    turned = in_order(values, engine, tuple(reversed(families.CLASSES)))
    assert turned.tolist() == [[0.7, 0.2, 0.1]]


def test_what_cannot_be_averaged_is_a_sentence(workspace, run):
    with pytest.raises(AveragingError, match="1 to 32 views; 0 were asked for"):
        make_averaging(workspace, run, views=0)


def test_the_command_averages(workspace, run, tmp_path, chest):
    path = write_png(tmp_path / "slice.png", chest.image)
    (plain,) = predict_inputs(workspace, run, [path])
    (averaged,) = predict_inputs(workspace, run, [path], tta=3)
    assert averaged["averaging"]["views"] == 3 and plain["averaging"]["views"] == 1
    assert averaged["probabilities"] != plain["probabilities"]
