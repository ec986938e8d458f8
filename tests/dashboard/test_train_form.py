"""The form of the Train page: presets, every setting, what fits, weights, sweeps, and nothing is lost."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.training import learning, session, words
from dashboard.training.words import HELP, LABELS, NAMES
from pipeline.data.splits import list_splits
from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.training.config import Augmentation, TrainConfig, make_config
from pipeline.training.memory import ENDING
from pipeline.training.sweeps import list_sweeps
from pipeline.workspace import atomic_write_json, read_json
from tests.dashboard.test_train_page import APP, button, html_of, make_run, page


def launched(workspace: Any) -> TrainConfig:
    """Return the configuration of the one training that was queued."""
    (job,) = JobStore(workspace).list("train")
    return TrainConfig.model_validate(read_json(Path(job.argv[2])))


def said(app: AppTest) -> str:
    return html_of(app) + "".join(each.value for each in [*app.caption, *app.markdown])


def test_every_setting_of_a_configuration_has_a_label_and_a_control(small):
    app = page()
    elsewhere = {"dataset", "weights_sha256", "planned_epochs", "extensions", "augment", "preset"}
    fields = {field for field in TrainConfig.model_fields if field not in elsewhere}
    fields |= {f"augment.{field}" for field in Augmentation.model_fields}
    assert fields <= set(LABELS)
    assert set(HELP) <= set(LABELS) and set(NAMES) <= set(LABELS)
    drawn = {
        str(each.key).removeprefix("train.")
        for kind in (
            app.selectbox,
            app.number_input,
            app.slider,
            app.checkbox,
            app.multiselect,
            app.text_input,
        )
        for each in kind
    }
    needs_more = {"fold", "classes"}  # a split with folds, three classes
    assert fields - drawn == needs_more


def test_a_preset_is_told_changed_counted_reset_and_undone(small):
    app = page()
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    assert "small slices before large ones" in said(app)
    assert "changes from" not in said(app)
    assert app.number_input(key="train.epochs").value == 120
    app.number_input(key="train.epochs").set_value(50)
    app.slider(key="train.dropout").set_value(0.5).run()
    assert "2 changes from from-scratch" in said(app)
    assert "Epochs, at most 120 → 50" in said(app)
    button(app, "train-reset").click().run()
    assert app.number_input(key="train.epochs").value == 120
    button(app, "train-undo").click().run()
    assert app.number_input(key="train.epochs").value == 50
    button(app, "train-undo").click().run()
    assert app.selectbox(key="train.preset").value == "small-machine"
    assert button(app, "train-undo").disabled


def test_a_preset_untouched_trains_what_the_command_line_trains(small):
    app = page()
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    button(app, "train-launch").click().run()
    expected = make_config({"dataset": "small", "split": "by-patient", "preset": "from-scratch"})
    assert launched(small) == expected


def test_values_survive_another_page(small):
    app = page()
    app.number_input(key="train.epochs").set_value(77)
    app.slider(key="train.augment.noise").set_value(0.05)
    app.text_input(key="train.name").set_value("mine").run()
    app.switch_page("views/preprocess.py").run()
    app.switch_page("views/train.py").run()
    assert app.number_input(key="train.epochs").value == 77
    assert app.slider(key="train.augment.noise").value == 0.05
    assert app.text_input(key="train.name").value == "mine"
    button(app, "train-launch").click().run()
    config = launched(small)
    assert (config.epochs, config.augment.noise, config.name) == (77, 0.05, "mine")


def test_values_survive_a_reload_and_a_damaged_address_is_no_harm(small):
    app = page()
    assert "settings" not in app.query_params, "what a first visit gets needs no telling"
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    app.number_input(key="train.epochs").set_value(77)
    app.slider(key="train.augment.noise").set_value(0.05).run()
    address = app.query_params["settings"]
    again = page_at(address)
    assert again.selectbox(key="train.preset").value == "from-scratch"
    assert again.number_input(key="train.epochs").value == 77
    assert again.slider(key="train.augment.noise").value == 0.05
    assert "2 changes from from-scratch" in said(again)
    first = page().number_input(key="train.epochs").value
    for damaged in (address[:-3], "[]", '{"preset":"none","epochs":"many"}', '{"preset":"no such"}'):
        assert page_at(damaged).number_input(key="train.epochs").value == first


def page_at(settings: str) -> AppTest:
    """Open the page in a new session by an address that carries settings."""
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.query_params["settings"] = settings
    app.switch_page("views/train.py").run()
    assert not app.exception
    return app


def page_with(**settings: Any) -> AppTest:
    """Open the page with settings in the session: AppTest can't type what a choice does not offer."""
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    for field, value in settings.items():
        app.session_state[f"train.{field}"] = value
    app.switch_page("views/train.py").run()
    assert not app.exception
    return app


def test_values_that_no_list_offers_stay_and_reach_the_run(small):
    app = page_with(learning_rate=0.0004, image_size=112, unfreeze=5)
    button(app, "train-launch").click().run()
    config = launched(small)
    assert (config.learning_rate, config.image_size, config.unfreeze) == (0.0004, 112, 5)


def test_what_is_wrong_is_said_by_its_field_and_nothing_begins(small):
    app = page_with(learning_rate="fast")
    assert "“Learning rate” cannot be 'fast'" in html_of(app).replace("&#x27;", "'")
    assert button(app, "train-launch").disabled


def test_without_a_split_the_form_is_there_and_one_click_makes_it(small):
    for path in (small.dataset_dir("small") / "splits").iterdir():
        path.unlink()
    app = page()
    assert "has no split yet" in html_of(app)
    assert button(app, "train-launch").disabled
    button(app, "train-split").click().run()
    assert not button(app, "train-launch").disabled
    assert app.selectbox(key="train.split").value == list_splits(small, "small")[0].name


def test_a_recipe_that_is_gone_is_said_by_its_field(small):
    app = page_with(recipe="deleted")
    assert "No recipe is called" in html_of(app)
    assert button(app, "train-launch").disabled
    assert not app.error


def test_weights_that_cannot_be_had_are_said_by_their_field(small):
    app = page()
    app.selectbox(key="train.weights").set_value("file").run()
    assert "Type the path of a weights file" in html_of(app)
    app.text_input(key="train.file").set_value("/nowhere.weights.h5").run()
    assert "does not exist" in html_of(app)
    assert button(app, "train-launch").disabled
    app.selectbox(key="train.weights").set_value("run").run()
    assert "No run of EfficientNetV2B0 has weights yet" in html_of(app)
    app.session_state["train.from_run"] = "gone"
    app.run()
    assert "not in this workspace" in html_of(app)
    app.selectbox(key="train.weights").set_value("imagenet").run()
    assert "network" in said(app)
    assert not button(app, "train-launch").disabled
    assert not app.exception and [each.value for each in app.error] == []


def test_few_epochs_leave_the_backbone_its_share(small):
    app = page()
    app.number_input(key="train.epochs").set_value(4).run()
    assert app.number_input(key="train.head_epochs").value == 1
    assert not button(app, "train-launch").disabled


def test_what_does_not_fit_is_said_and_set_right_with_one_click_that_can_be_undone(small, monkeypatch):
    monkeypatch.setenv("HILUM_MEMORY_GB", "2.3")
    app = page()
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    assert "This does not fit this machine." in html_of(app)
    button(app, "train-fit").click().run()
    assert "This does not fit" not in html_of(app)
    batch, accumulate = app.selectbox(key="train.batch_size").value, app.number_input(key="train.accumulate")
    assert batch < 16 and batch * accumulate.value == 16
    button(app, "train-launch").click().run()
    assert (launched(small).batch_size, launched(small).accumulate) == (batch, accumulate.value)
    button(app, "train-undo").click().run()
    assert app.selectbox(key="train.batch_size").value == 16


def test_after_a_run_without_enough_memory_the_form_offers_less(small):
    run = make_run(small, "large", status="failed")
    RunStore(small).set_tag(run.id, "ending", ENDING)
    app = page()
    assert "large ran out of memory." in html_of(app)
    button(app, "train-shortage").click().run()
    assert app.selectbox(key="train.batch_size").value < 16
    assert app.selectbox(key="train.image_size").value == 96, "the run's own settings"
    assert not [each for each in app.button if each.key == "train-shortage"]


def test_a_clone_fills_every_setting(small):
    config = make_config(
        {
            "dataset": "small", "split": "by-patient", "name": "odd", "preset": "long", "image_size": 200,
            "sizes": [72, 104], "batch_size": 5, "unfreeze": 7, "learning_rate": 7e-4, "ema": 0.97,
            "accumulate": 3, "optimizer": "adam", "clip_norm": 2.5, "drop_path": None, "seed": 9,
            "weight_decay": 0.002, "threads": 3, "deterministic": True, "tensorboard": True, "fold": None,
            "classes": ["positive", "negative"], "weights": "file:/a/b.weights.h5", "balance": "weights",
            "fine_tune_factor": 0.2, "freeze_norm": False, "feature_copies": 2, "label_smoothing": 0.07,
            "mixed_precision": True, "monitor": "val_loss", "patience": 3, "schedule": "constant",
            "warmup_epochs": 2.5, "dropout": 0.15, "epochs": 33, "head_epochs": 4, "recipe": "luna",
            "architecture": "ConvNeXtTiny", "head_only": False,
            "augment": {"rotation": 60, "translation": 0.07, "zoom": 0.01, "shear": 4, "brightness": 0.2,
                        "contrast": 0.3, "gamma": 0.4, "noise": 0.015, "blur": 1.5, "cutout": 0.25,
                        "horizontal_flip": True},
        }
    )  # fmt: skip
    run = make_run(small, "odd")
    atomic_write_json(run.artifacts / "config.json", config.model_dump(mode="json"))
    atomic_write_json(run.artifacts / "split.json", {"name": "by-patient"})
    app = page()
    app.session_state["train.copy"] = run.id
    app.run()
    assert not app.exception and [each.value for each in app.error] == []
    app.selectbox(key="train.weights").set_value("random").run()
    button(app, "train-launch").click().run()
    assert launched(small) == config.model_copy(update={"weights": "random", "name": None})


def test_drop_path_is_offered_where_the_family_has_it(small):
    app = page()
    assert app.number_input(key="train.drop_path").proto.placeholder == "as in Keras: 0.2"
    app.selectbox(key="train.architecture").set_value("ResNet50V2").run()
    assert not [each for each in app.number_input if each.key == "train.drop_path"]
    assert "ResNet50V2 has no drop path." in said(app)


def test_the_page_says_what_balancing_does_to_probabilities(small):
    app = page()
    app.selectbox(key="train.balance").set_value("none").run()
    assert "probabilities hold where classes have the shares" in said(app)


def test_all_architectures_are_queued_but_those_that_do_not_fit(small, monkeypatch):
    monkeypatch.setenv("HILUM_MEMORY_GB", "3")
    app = page()
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    button(app, "train-compare").click().run()
    assert not app.exception and [each.value for each in app.error] == []
    (table,) = [each.value for each in app.dataframe if "note" in each.value]
    left_out = table[~table["train"]]
    assert 0 < len(left_out) < len(table)
    assert set(left_out["note"]) == {"too little memory"}
    button(app, "train-queue-architectures").click().run()
    (sweep,) = list_sweeps(small)
    assert len(sweep.trials) == len(table) - len(left_out)
    assert {trial["epochs"] for trial in sweep.trials} == {120}


def test_architectures_without_such_first_weights_are_not_ticked(small):
    app = page()
    button(app, "train-compare").click().run()
    (table,) = [each.value for each in app.dataframe if "note" in each.value]
    assert table[table["train"]]["architecture"].tolist() == ["EfficientNetV2B0"]
    assert set(table[~table["train"]]["note"]) == {"no such first weights"}
    assert "there for 1 of 15 trainings" in html_of(app)


def test_folds_are_made_where_there_are_none_and_each_is_trained(small):
    app = page()
    button(app, "train-folds").click().run()
    app.number_input(key="train-fold-count").set_value(3).run()
    button(app, "train-make-folds").click().run()
    assert list_splits(small, "small")[0].folds == 3
    assert app.selectbox(key="train.split").value == list_splits(small, "small")[0].name
    button(app, "train-folds").click().run()
    button(app, "train-queue-folds").click().run()
    (sweep,) = list_sweeps(small)
    assert [trial["fold"] for trial in sweep.trials] == [0, 1, 2]
    before = len(JobStore(small).list("train"))
    app.selectbox(key="train.fold").set_value(1).run()
    button(app, "train-launch").click().run()
    jobs = JobStore(small).list("train")
    assert len(jobs) == before + 1
    assert read_json(Path(jobs[0].argv[2]))["fold"] == 1
    app.selectbox(key="train.split").set_value("by-patient").run()
    assert app.session_state["train.fold"] is None, "that split has none"


def test_a_search_is_queued_with_its_ranges(small):
    app = page()
    button(app, "train-search").click().run()
    app.number_input(key="train-trials").set_value(4).run()
    button(app, "train-queue-search").click().run()
    assert not app.exception and [each.value for each in app.error] == []
    (sweep,) = list_sweeps(small)
    assert sweep.options["trials"] == 4
    assert sweep.options["space"]["dropout"] == {"low": 0.0, "high": 0.6}


def test_a_search_for_which_memory_is_short_takes_what_fits(small, monkeypatch):
    monkeypatch.setenv("HILUM_MEMORY_GB", "2.3")
    app = page()
    app.selectbox(key="train.preset").set_value("from-scratch").run()
    button(app, "train-search").click().run()
    assert app.checkbox(key="train-search-fit").value
    button(app, "train-queue-search").click().run()
    (sweep,) = list_sweeps(small)
    assert sweep.base["batch_size"] * sweep.base["accumulate"] == 16 and sweep.base["batch_size"] < 16
    assert app.selectbox(key="train.batch_size").value == 16, "the form stays as it was"


@pytest.mark.parametrize("module", [learning, session, words])
def test_the_examples_in_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_augmented_slices_are_drawn_anew(small):
    app = page()
    button(app, "train-draw").click().run()
    assert app.session_state["train.draw"] == 1
    button(app, "train-augment-none").click().run()
    assert app.slider(key="train.augment.rotation").value == 0
    assert not app.exception and [each.value for each in app.error] == []


def test_a_head_alone_leaves_its_stage_out_and_keeps_what_was_set(small):
    app = page()
    app.number_input(key="train.head_epochs").set_value(3)
    app.checkbox(key="train.head_only").check().run()
    assert not [each for each in app.number_input if each.key == "train.head_epochs"]
    button(app, "train-launch").click().run()
    assert (launched(small).head_only, launched(small).head_epochs) == (True, 0)
    app.checkbox(key="train.head_only").uncheck().run()
    assert app.number_input(key="train.head_epochs").value == 3


def test_mirroring_is_off_until_it_is_asked_for(small):
    app = page()
    box = app.checkbox(key="train.augment.horizontal_flip")
    assert box.value is False and "the heart lies left" in box.help
    box.check().run()
    button(app, "train-launch").click().run()
    assert launched(small).augment.horizontal_flip
