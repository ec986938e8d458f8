"""The Preprocess page's recipes: changed, taken back, saved, renamed, deleted."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.preprocessing.default_recipe import default_recipe
from pipeline.preprocessing.recipe import PRESETS, list_recipes, load_recipe, save_recipe
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests.dashboard import preprocessing
from tests.dashboard.preprocessing import in_hand, show, widget, words

chests, page = preprocessing.chests, preprocessing.page


def test_a_moved_slider_changes_the_recipe_and_can_be_taken_back(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(5).run()
    assert in_hand(page)["lungs"]["erosion_radius"] == 5
    assert "1 change from hilum" in words(page)
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    assert "2 changes from hilum" in words(page)
    page.button(key="prep-undo").click().run()
    assert in_hand(page)["lungs"]["closing_radius"] == PRESETS["hilum"].lungs.closing_radius
    page.button(key="prep-reset").click().run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    assert not page.error and not page.exception


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_can_be_begun_with(page: AppTest, preset: str) -> None:
    widget(page, "selectbox", "Begin with").select(preset).run()
    assert not page.exception and not page.error
    assert in_hand(page) == PRESETS[preset].to_json()
    assert f"{preset}, unchanged" in words(page)


def test_two_recipes_stand_side_by_side(page: AppTest) -> None:
    show(page, "Side by side")
    assert not page.exception and not page.error
    assert "hilum (in hand)" in words(page) and "both agree on" in words(page)
    assert "threshold.method" in page.dataframe[0].value["parameter"].tolist()


def test_a_recipe_is_saved_by_name_and_begun_with_again(page: AppTest, chests: Workspace) -> None:
    widget(page, "slider", "Margin around the lungs (pixels)").set_value(12).run()
    show(page, "Recipe")
    assert '"margin": 12' in page.code[0].value
    assert "margin" in page.dataframe[0].value["parameter"].tolist()
    widget(page, "text_input", "Name").input("wide-margin")
    page.button(key="prep-save").click().run()
    assert not page.exception
    assert list_recipes(chests.recipes) == ["wide-margin"]
    assert load_recipe("wide-margin", chests.recipes).margin == 12
    assert "wide-margin, unchanged" in words(page) and "Saved as wide-margin" in words(page)
    widget(page, "selectbox", "Begin with").select("luna").run()
    widget(page, "selectbox", "Begin with").select("wide-margin").run()
    assert in_hand(page)["margin"] == 12


def test_saving_does_not_replace_another_recipe(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["luna"].changed(name="my-hilum"), chests.recipes)
    show(page, "Recipe")
    assert widget(page, "text_input", "Name").value == "my-hilum-2"
    widget(page, "text_input", "Name").input("my-hilum")
    page.button(key="prep-save").click().run()
    assert "Not saved" in words(page) and "There is another recipe" in words(page)
    assert load_recipe("my-hilum", chests.recipes).hash == PRESETS["luna"].hash
    widget(page, "selectbox", "Begin with").select("my-hilum").run()
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    page.button(key="prep-save").click().run()
    assert not page.exception and load_recipe("my-hilum", chests.recipes).lungs.erosion_radius == 7


@pytest.mark.parametrize("name", ["hilum", "../up", ""])
def test_a_name_that_cannot_be_is_said(page: AppTest, chests: Workspace, name: str) -> None:
    show(page, "Recipe")
    widget(page, "text_input", "Name").input(name)
    page.button(key="prep-save").click().run()
    assert not page.exception
    assert "Not saved" in words(page)
    assert list_recipes(chests.recipes) == []


def test_the_recipe_survives_going_to_another_page(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    page.switch_page("views/train.py").run()
    page.switch_page("views/preprocess.py").run()
    assert widget(page, "slider", "Erosion (radius, pixels)").value == 7


def test_what_was_taken_back_can_be_made_again(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(5).run()
    assert page.button(key="prep-redo").disabled
    page.button(key="prep-undo").click().run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    page.button(key="prep-redo").click().run()
    assert in_hand(page)["lungs"]["erosion_radius"] == 5
    page.button(key="prep-undo").click().run()
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    assert page.button(key="prep-redo").disabled, "a new change ends the way forward"


def test_a_recipe_becomes_the_default_is_renamed_and_deleted(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    show(page, "Recipe")
    widget(page, "selectbox", "Recipe").select("mine").run()
    page.button(key="prep-default").click().run()
    assert "mine is the default now." in words(page)
    page.switch_page("views/train.py").run()
    assert widget(page, "selectbox", "Recipe").value == "mine"
    page.switch_page("views/preprocess.py").run()
    show(page, "Recipe")
    widget(page, "text_input", "New name").input("ours")
    page.button(key="prep-rename").click().run()
    assert list_recipes(chests.recipes) == ["ours"] and default_recipe(chests.recipes) == "ours"
    run = RunStore(chests).create("first", {"recipe": "ours"}, {})
    RunStore(chests).finish(run.id)
    page.button(key="prep-delete").click().run()
    assert "the run first (finished) uses it" in words(page)
    assert list_recipes(chests.recipes) == ["ours"] and not page.exception


def test_a_deleted_recipe_in_hand_is_said_and_can_be_left(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    page.run()
    widget(page, "selectbox", "Begin with").select("mine").run()
    show(page, "Recipe")
    page.button(key="prep-delete").click().run()
    picker = widget(page, "selectbox", "Begin with")
    assert picker.value == "mine" and picker.options[-1] == "mine (no longer saved)"
    assert in_hand(page)["margin"] == 9
    picker.select("hilum").run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    assert "mine (no longer saved)" not in widget(page, "selectbox", "Begin with").options
    assert not page.exception


def test_delete_asks_once_more(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine"), chests.recipes)
    show(page, "Recipe")
    widget(page, "selectbox", "Recipe").select("mine").run()
    assert "Delete" not in [button.label for button in page.button], "it opens, and deletes nothing"
    assert "mine will be gone for good." in words(page)
    assert page.button(key="prep-delete").label == "Delete it"


def test_a_renamed_recipe_keeps_its_new_name_through_undo(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    page.run()
    widget(page, "selectbox", "Begin with").select("mine").run()
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    page.button(key="prep-undo").click().run()
    show(page, "Recipe")
    widget(page, "text_input", "New name").input("ours")
    page.button(key="prep-rename").click().run()
    for step, changes in (("prep-undo", 0), ("prep-redo", 1), ("prep-redo", 2)):
        page.button(key=step).click().run()
        assert in_hand(page)["name"] == widget(page, "selectbox", "Begin with").value == "ours"
        assert (f"{changes} change" if changes else "ours, unchanged") in words(page)
