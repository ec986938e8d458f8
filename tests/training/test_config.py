"""The configuration: frozen, validated, and its mistakes said in words."""

import json
from pathlib import Path

import pytest

from models.errors import UnknownArchitectureError
from pipeline.training.config import TrainConfig, build_config, load_config, make_config
from pipeline.training.errors import ConfigError

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "demo-model"


def test_options_win_over_the_file(workspace, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"dataset": "a", "epochs": 5, "augment": {"rotation": 3}}))
    config = build_config(workspace, file, epochs=7)
    assert (config.dataset, config.epochs, config.augment.rotation, config.augment.zoom) == ("a", 7, 3, 0.08)


def test_toml_is_read_too(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('dataset = "a"\n[augment]\nrotation = 4\n')
    assert load_config(file) == {"dataset": "a", "augment": {"rotation": 4}}


def test_a_wrong_key_names_the_valid_ones():
    with pytest.raises(ConfigError, match="no key 'epoch'.*Did you mean 'epochs'.*dataset, split"):
        make_config({"dataset": "a", "epoch": 3})
    with pytest.raises(ConfigError, match=r"no key 'augment.rotate'.*Did you mean 'rotation'"):
        make_config({"dataset": "a", "augment": {"rotate": 3}})


def test_a_wrong_value_says_what_came_and_what_was_expected():
    with pytest.raises(ConfigError, match="'image_size' cannot be 8 .*greater than or equal to 32"):
        make_config({"dataset": "a", "image_size": 8})
    with pytest.raises(ConfigError, match="'balance' cannot be 'both'.*'augment', 'weights' or 'none'"):
        make_config({"dataset": "a", "balance": "both"})


def test_architectures_are_found_whatever_the_case():
    assert make_config({"dataset": "a", "architecture": "resnet50v2"}).architecture == "ResNet50V2"
    with pytest.raises(UnknownArchitectureError, match="There are: EfficientNetV2B0"):
        make_config({"dataset": "a", "architecture": "EfficientNetB0V2"})


@pytest.mark.parametrize(
    ("text", "advice"),
    [("{", "not valid JSON"), ("[1]", 'looks like {"dataset": "demo"}'), (None, "does not exist")],
)
def test_a_file_that_is_no_configuration(tmp_path, text, advice):
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=advice):
        load_config(file)


def test_without_a_data_set_those_there_are_are_named(workspace):
    with pytest.raises(ConfigError, match="There is none yet"):
        build_config(workspace)
    workspace.dataset_dir("demo").mkdir()
    with pytest.raises(ConfigError, match="There are demo"):
        build_config(workspace)


def test_a_configuration_survives_json_and_cannot_be_changed():
    config = TrainConfig(dataset="a", classes=("x", "y"), learning_rate=3e-4)
    assert TrainConfig.model_validate(json.loads(config.model_dump_json())) == config
    with pytest.raises(ValueError, match="frozen"):
        config.epochs = 3  # type: ignore[misc]


def test_a_configuration_of_an_earlier_version_means_what_it_meant():
    """The shipped model's own, which name none of the newer keys: one stage, all weights, no average."""
    from pipeline.training.stages import Stage, stages_of

    for name in ("first", "second"):
        config = make_config(load_config(ASSETS / f"{name}.json"))
        assert stages_of(config) == (Stage("body", 0, config.epochs, config.image_size),)
        assert (config.ema, config.accumulate, config.clip_norm, config.optimizer) == (0, 1, 1, "adamw")


def test_a_learning_rate_of_a_million_is_told_in_words():
    with pytest.raises(ConfigError, match=r"'learning_rate' cannot be 1e\+06: .*0.001 is usual"):
        make_config({"dataset": "a", "learning_rate": 1e6})


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"epochs": 3, "head_epochs": 3}, "leaves none to the backbone. Give more epochs"),
        ({"head_only": True, "head_epochs": 3}, "give one of them"),
        ({"sizes": [128, 96]}, "they rise, and end below"),
        ({"sizes": [224]}, r"below 'image_size' \(224\)"),
        ({"sizes": [8]}, "'sizes.0' cannot be 8"),
        ({"unfreeze": 0}, "cannot be 0"),
        ({"unfreeze": "some"}, "cannot be 'some'"),
    ],
)
def test_stages_that_cannot_be(values, advice):
    with pytest.raises(ConfigError, match=advice):
        make_config({"dataset": "a", **values})
