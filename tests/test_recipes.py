"""Recipes with users: the default, renaming, deleting."""

from __future__ import annotations

import json

import pytest

from pipeline.jobs import JobStore
from pipeline.preprocessing.default_recipe import default_recipe, set_default_recipe
from pipeline.preprocessing.recipe import PRESETS, RecipeError, list_recipes, load_recipe, save_recipe
from pipeline.recipes import (
    RecipeInUseError,
    delete_recipe,
    keep_recipe,
    rename_recipe,
    suggest_name,
    users_of_recipe,
)
from pipeline.runs import RunStore
from pipeline.training.config import build_config
from pipeline.workspace import Workspace


@pytest.fixture
def mine(workspace: Workspace) -> Workspace:
    """A workspace with a saved recipe."""
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), workspace.recipes)
    return workspace


def test_the_default_is_hilum_until_another_is_set_and_while_it_is_there(mine: Workspace) -> None:
    assert default_recipe(mine.recipes) == "hilum"
    set_default_recipe(mine.recipes, "mine")
    assert default_recipe(mine.recipes) == "mine"
    assert list_recipes(mine.recipes) == ["mine"], "the default's file is no recipe"
    delete_recipe(mine, "mine")
    assert default_recipe(mine.recipes) == "hilum"


def test_training_takes_the_default_where_none_is_named(mine: Workspace) -> None:
    set_default_recipe(mine.recipes, "mine")
    assert build_config(mine, dataset="demo").recipe == "mine"
    assert build_config(mine, dataset="demo", recipe="luna").recipe == "luna"


def test_only_a_recipe_can_be_the_default(mine: Workspace) -> None:
    with pytest.raises(RecipeError, match="no recipe 'nope'"):
        set_default_recipe(mine.recipes, "nope")


def test_a_renamed_recipe_keeps_its_values_and_stays_the_default(mine: Workspace) -> None:
    set_default_recipe(mine.recipes, "mine")
    rename_recipe(mine, "mine", "ours")
    assert list_recipes(mine.recipes) == ["ours"]
    assert load_recipe("ours", mine.recipes).margin == 9
    assert load_recipe("ours", mine.recipes).name == default_recipe(mine.recipes) == "ours"


def test_names_that_are_taken_or_presets_are_refused(mine: Workspace) -> None:
    with pytest.raises(RecipeError, match="already"):
        rename_recipe(mine, "mine", "luna")
    for act in (lambda: delete_recipe(mine, "hilum"), lambda: rename_recipe(mine, "hilum", "x")):
        with pytest.raises(RecipeError, match="preset"):
            act()
    with pytest.raises(RecipeError, match="no saved recipe"):
        delete_recipe(mine, "gone")


def test_a_recipe_that_a_run_uses_stays(mine: Workspace) -> None:
    run = RunStore(mine).create("first", {"recipe": "mine"}, {})
    RunStore(mine).finish(run.id)
    with pytest.raises(RecipeInUseError, match=r"the run first \(finished\) uses it"):
        delete_recipe(mine, "mine")
    with pytest.raises(RecipeInUseError, match="under the new name as well"):
        rename_recipe(mine, "mine", "ours")
    assert list_recipes(mine.recipes) == ["mine"]


def test_another_recipe_of_that_name_is_not_replaced(mine: Workspace) -> None:
    base = load_recipe("mine", mine.recipes)
    other = PRESETS["luna"].changed(name="mine")
    for over in (None, PRESETS["luna"], base.changed(margin=3)):
        with pytest.raises(RecipeError, match=r"another recipe 'mine'.*'mine-2' is free"):
            keep_recipe(mine, other, over=over)
    assert load_recipe("mine", mine.recipes) == base
    keep_recipe(mine, base)  # nothing would be lost
    keep_recipe(mine, base.changed(margin=3), over=base)
    assert load_recipe("mine", mine.recipes).margin == 3


def test_a_recipe_that_a_run_uses_is_not_replaced(mine: Workspace) -> None:
    """Not even by the one that it became: a run goes on to name what it was made with."""
    base = load_recipe("mine", mine.recipes)
    run = RunStore(mine).create("first", {"recipe": "mine"}, {})
    RunStore(mine).finish(run.id)
    with pytest.raises(RecipeInUseError, match=r"can't be replaced: the run first .*'mine-2' is free"):
        keep_recipe(mine, base.changed(margin=3), over=base)
    assert load_recipe("mine", mine.recipes).margin == 9
    keep_recipe(mine, base)


def test_a_name_is_suggested_that_nothing_else_has(mine: Workspace) -> None:
    base = load_recipe("mine", mine.recipes)
    assert suggest_name(mine, PRESETS["hilum"]) == "my-hilum"
    keep_recipe(mine, PRESETS["luna"].changed(name="my-hilum"))
    assert suggest_name(mine, PRESETS["hilum"]) == "my-hilum-2"
    assert suggest_name(mine, base) == "mine"
    assert suggest_name(mine, base.changed(margin=3)) == "mine-2", "saved anew meanwhile by somebody else"
    RunStore(mine).finish(RunStore(mine).create("first", {"recipe": "mine"}, {}).id)
    assert suggest_name(mine, base) == "mine-2"
    assert suggest_name(mine, base.changed(name="gone")) == "gone"


def test_a_recipe_that_a_queued_job_names_stays(mine: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    config = mine.root / "config.json"
    config.write_text(json.dumps({"dataset": "demo", "recipe": "mine"}), encoding="utf-8")
    job = JobStore(mine).submit("train", ["train", "--config", str(config)], "Train it")
    assert users_of_recipe(mine, "mine") == ["the queued job Train it"]
    with pytest.raises(RecipeInUseError, match="queued job Train it"):
        delete_recipe(mine, "mine")
    JobStore(mine).stop(job.id)
    delete_recipe(mine, "mine")
