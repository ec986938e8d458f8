"""Gradient maps in their worker: computed, given up, told apart from another model's."""

import time
from dataclasses import replace

import numpy as np
import pytest

from models import save_weights
from pipeline.explanation.methods import DEFAULT, METHODS, SIGNED
from pipeline.explanation.service import MapCancelledError, MapError, MapRequest, MapService
from tests import families

NAME = "ResNet50V2"  # the quickest to build


@pytest.fixture(scope="module")
def request_(tmp_path_factory):
    """A request for a LayerCAM."""
    weights = tmp_path_factory.mktemp("map") / "weights.weights.h5"
    save_weights(families.model(NAME), weights)
    image = families.slices(1)[0]
    _, probabilities, _ = families.outputs(NAME, image[None])
    return MapRequest("layer-cam", 0, image, probabilities[0], NAME, weights)


@pytest.fixture(scope="module")
def service():
    made = MapService()
    yield made
    made.close()


def test_a_map_is_computed_elsewhere_and_scaled(service, request_):
    values = service.start(request_).result(180)
    assert values.shape == (families.SIZE, families.SIZE) and values.dtype == np.float32
    assert values.min() >= 0 and 0.9 < values.max() <= 1


def test_the_worker_is_kept_and_answers_the_same(service, request_):
    first = service.start(request_).result(180)
    process = service._process
    np.testing.assert_array_equal(service.start(request_).result(180), first)
    assert service._process is process


def test_another_model_than_the_engine_is_told(service, request_):
    wrong = replace(request_, probabilities=np.array([1.0, 0, 0]))
    with pytest.raises(MapError, match="Export the run again"):
        service.start(wrong).result(180)


def test_a_missing_file_is_said_in_words(service, request_, tmp_path):
    with pytest.raises(MapError, match="does not exist"):
        service.start(replace(request_, weights=tmp_path / "gone.weights.h5")).result(180)


def test_a_map_can_be_given_up_and_the_next_one_comes(service, request_):
    pending = service.start(replace(request_, method="score-cam"))
    time.sleep(0.5)
    pending.cancel()
    assert pending.done
    with pytest.raises(MapCancelledError):
        pending.result()
    assert service.start(request_).result(180).any()


def test_a_worker_that_takes_too_long_is_ended(service, request_, monkeypatch):
    hasty = replace(METHODS["score-cam"], timeout_seconds=0.2)
    monkeypatch.setitem(METHODS, "score-cam", hasty)
    service.start(request_).result(180)  # it runs: no allowance for starting
    with pytest.raises(MapError, match="more than 0 s"):
        service.start(replace(request_, method="score-cam")).result(60)


def test_signed_maps_need_no_worker():
    assert DEFAULT in SIGNED
    assert {name for name, method in METHODS.items() if not method.in_worker} == set(SIGNED)
