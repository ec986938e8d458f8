"""Presets: each is a whole configuration, any value of which can be changed."""

import pytest

from pipeline.preprocessing.recipe import PRESETS as RECIPES
from pipeline.training.config import TrainConfig, build_config, make_config
from pipeline.training.errors import ConfigError
from pipeline.training.presets import PRESETS
from pipeline.training.stages import peak_rate, phase_epochs, stage_of, stages_of, waited_epochs


@pytest.mark.parametrize("name", PRESETS)
def test_each_is_a_configuration_that_survives_json(name):
    config = make_config({"dataset": "a", "preset": name})
    assert config != TrainConfig(dataset="a", preset=None)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
    assert PRESETS[name].sentence.endswith(".")
    assert config.recipe in RECIPES


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("changes", [{"epochs": 1}, {"image_size": 64}, {"head_only": True}])
def test_each_bends_to_what_is_given(name, changes):
    config = make_config({"dataset": "a", "preset": name, **changes})
    assert all(getattr(config, key) == value for key, value in changes.items())
    assert stages_of(config)[-1].end == config.epochs


def test_what_is_given_wins_over_the_preset(workspace, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"dataset": "a", "preset": "notebook", "augment": {"rotation": 3}, "dropout": 0.5}')
    config = build_config(workspace, file, dropout=0.1)
    assert (config.augment.rotation, config.augment.zoom, config.dropout) == (3, 0, 0.1)
    assert (config.optimizer, config.schedule, config.monitor) == ("adam", "constant", "val_loss")
    assert build_config(workspace, file, preset="long").architecture == "EfficientNetV2S"


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="Did you mean standard.*small-machine"):
        make_config({"dataset": "a", "preset": "standart"})


def test_stages_cover_every_epoch_once():
    config = make_config({"dataset": "a", "preset": "long"})
    stages = stages_of(config)
    assert [epoch for stage in stages for epoch in range(stage.first, stage.end)] == list(range(300))
    assert [stage.image_size for stage in stages] == [384, 224, 300, 384]
    assert stage_of(config, 10).learns == "body" and stage_of(config, 9).learns == "head"
    assert phase_epochs(config, "head") == 10 and phase_epochs(config, "body") == 290
    assert peak_rate(config, "body") == pytest.approx(config.learning_rate / 10)


def test_early_stopping_counts_in_the_last_stage():
    two = TrainConfig(dataset="a", epochs=10, head_epochs=4)
    assert [waited_epochs(two, waited=4, epoch=epoch) for epoch in (4, 5, 9)] == [0, 1, 4]
    one = TrainConfig(dataset="a", epochs=10)
    assert waited_epochs(one, waited=4, epoch=5) == 4
