"""`--preset` and `--set` on the command line, and the list of presets."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError
from pipeline.training.presets import PRESETS
from pipeline.training.settings import parse_settings


def test_words_become_values_and_later_ones_win():
    assert parse_settings(["epochs=3", "epochs=4", "name=a b"]) == {"epochs": 4, "name": "a b"}


@pytest.mark.parametrize("words", [["epochs"], ["=3"], ["augment=3", "augment.zoom=0"]])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(ConfigError, match="--set"):
        parse_settings(words)


@pytest.fixture
def trained(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `train` with these words; return the configuration that it would have submitted."""
    submitted: list[TrainConfig] = []

    def submit(_: Any, config: TrainConfig, *, cluster: Any) -> str:
        assert cluster is None
        submitted.append(config)
        return "0"

    monkeypatch.setattr("pipeline.training.launch.submit_training", submit)

    def run(*words: str) -> TrainConfig:
        workspace_words = ["--workspace", str(workspace.root)]
        result = CliRunner().invoke(app, [*workspace_words, "train", "--dataset", "a", "--detach", *words])
        if result.exception is not None:
            raise result.exception
        return submitted[-1]

    return run


def test_options_and_settings_change_a_preset(trained):
    config = trained("--preset", "small-machine", "--epochs", "9", "--set", "unfreeze=all", "--set", "ema=0")
    assert config == make_config(
        {"dataset": "a", "preset": "small-machine", "epochs": 9, "unfreeze": "all", "ema": 0}
    )
    assert config.head_epochs == PRESETS["small-machine"].values["head_epochs"]
    assert trained("--epochs", "9", "--set", "epochs=2").epochs == 2
    with pytest.raises(ConfigError, match="no key 'head_epoch'.*Did you mean 'head_epochs'"):
        trained("--set", "head_epoch=2")


def test_presets_are_listed_with_a_sentence_each_and_printed_as_a_configuration(workspace, tmp_path):
    runner, words = CliRunner(), ["--workspace", str(workspace.root), "presets"]
    listed = runner.invoke(app, words).stdout
    assert all(f"{name}: {preset.sentence}" in listed for name, preset in PRESETS.items())
    printed = json.loads(runner.invoke(app, [*words, "long"]).stdout)
    assert make_config(printed | {"dataset": "a"}) == make_config({"dataset": "a", "preset": "long"})
