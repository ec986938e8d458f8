"""What is wrong with a configuration is said by key, and what its first weights need beforehand."""

import pytest

from pipeline.training.config import build_config, make_config
from pipeline.training.problems import config_problems, weights_note, weights_problem


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"epochs": 3, "head_epochs": 3}, "head_epochs", "leaves none to the backbone"),
        ({"image_size": 96, "sizes": [128]}, "sizes", "end below 'image_size'"),
        ({"learning_rate": "abc"}, "learning_rate", "cannot be 'abc'"),
        ({"unfreeze": 0}, "unfreeze", "cannot be 0"),
        ({"augment": {"zoom": 9}}, "augment.zoom", "cannot be 9"),
        ({"classes": ["positive"]}, "classes", "needs 2 or more; 1 came"),
        ({"name": "a b"}, "name", "cannot be used"),
        ({"architecture": "ResNet9"}, "architecture", "Did you mean"),
    ],
)
def test_each_problem_stands_by_its_key(values, key, words):
    found = config_problems({"dataset": "a", **values})
    assert list(found) == [key]
    assert words in found[key]
    assert found[key][0] in "'OTN", "a sentence"


def test_what_can_be_trained_has_none():
    assert config_problems({"dataset": "a", "preset": "long"}) == {}


def test_weights_that_cannot_be_had_are_told_before_anything_begins(workspace, tmp_path):
    def problem(**values):
        return weights_problem(workspace, make_config({"dataset": "a", **values}))

    assert problem() is None
    assert problem(weights="phantom") is None
    assert "ship for ConvNeXtTiny" in problem(weights="phantom", architecture="ConvNeXtTiny")
    assert "does not exist" in problem(weights=f"file:{tmp_path / 'no.weights.h5'}")
    assert "No run answers" in problem(weights="run:abc")


def test_a_machine_without_network_is_told_what_it_cannot_fetch(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.training.problems.KERAS_FOLDER", tmp_path)
    config = make_config({"dataset": "a", "weights": "imagenet"})
    assert "needs the network" in weights_note(config)
    assert "efficientnetv2-b0_notop.h5" in weights_note(config)
    (tmp_path / "efficientnetv2-b0_notop.h5").touch()
    assert "no network is needed" in weights_note(config)


def test_the_recipe_of_a_preset_is_not_overruled_by_the_default(workspace):
    assert build_config(workspace, dataset="a", preset="notebook").recipe == "notebook"
    assert build_config(workspace, dataset="a", preset="notebook", recipe="luna").recipe == "luna"
    assert build_config(workspace, dataset="a", preset="standard").recipe == "hilum"
