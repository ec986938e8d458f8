"""The recipe that the user has in hand: what it began as, what it is now, and the way back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import loaders
from pipeline.preprocessing.default_recipe import default_recipe
from pipeline.preprocessing.recipe import PRESETS, Recipe, RecipeError, load_recipe

_STEPS_BACK = 40


def recipe_in_hand() -> Recipe:
    """Return the recipe as the controls say it."""
    return Recipe(**st.session_state.setdefault("prep.recipe", _first().to_json()))


def base_recipe() -> Recipe:
    """Return the recipe that the one in hand began as."""
    return Recipe(**st.session_state.setdefault("prep.base", _first().to_json()))


def _first() -> Recipe:
    """Return the default recipe; where its file can't be used any more, `hilum`."""
    folder = loaders.workspace().recipes
    try:
        return load_recipe(default_recipe(folder), folder)
    except RecipeError:
        return PRESETS["hilum"]


def begin_with(name: str) -> None:
    """Take the preset or saved recipe `name` in hand, and as what later changes are compared with."""
    try:
        chosen = load_recipe(name, loaders.workspace().recipes)
    except RecipeError as error:
        st.session_state["prep.problem"] = str(error)
        return
    _remember_step()
    st.session_state["prep.base"] = st.session_state["prep.recipe"] = chosen.to_json()
    st.session_state.pop("prep.problem", None)


def change(**values: Any) -> None:
    """Change parameters of the recipe in hand; what cannot be stays as it was, and `problem` says why."""
    try:
        changed = recipe_in_hand().changed(**values)
    except RecipeError as error:
        st.session_state["prep.problem"] = str(error)
        return
    st.session_state.pop("prep.problem", None)
    _remember_step()
    st.session_state["prep.recipe"] = changed.to_json()


def reset() -> None:
    """Go back to what the recipe in hand began as."""
    _remember_step()
    st.session_state["prep.recipe"] = base_recipe().to_json()
    st.session_state.pop("prep.problem", None)


def undo() -> None:
    """Go back by one change."""
    _go("prep.steps", "prep.undone")


def redo() -> None:
    """Make the change again that was taken back last."""
    _go("prep.undone", "prep.steps")


def _go(there: str, back: str) -> None:
    if steps := st.session_state.get(there):
        st.session_state.setdefault(back, []).append(_now())
        st.session_state["prep.base"], st.session_state["prep.recipe"] = steps.pop()
        st.session_state.pop("prep.problem", None)


def rename(name: str, new: str) -> None:
    """Give a recipe that was renamed its new name, in hand and in the steps back and forth."""

    def renamed(kept: dict[str, Any]) -> dict[str, Any]:
        return kept | {"name": new} if kept["name"] == name else kept

    st.session_state["prep.base"] = renamed(base_recipe().to_json())
    st.session_state["prep.recipe"] = renamed(recipe_in_hand().to_json())
    for key in ("prep.steps", "prep.undone"):
        steps = st.session_state.get(key, [])
        st.session_state[key] = [(renamed(base), renamed(recipe)) for base, recipe in steps]


def can_undo() -> bool:
    """Return whether there is a change to take back."""
    return bool(st.session_state.get("prep.steps"))


def can_redo() -> bool:
    """Return whether there is a change to make again."""
    return bool(st.session_state.get("prep.undone"))


def problem() -> str | None:
    """Return why the last change was not taken, None where it was."""
    return st.session_state.get("prep.problem")


def _remember_step() -> None:
    steps = st.session_state.setdefault("prep.steps", [])
    steps.append(_now())
    del steps[:-_STEPS_BACK]
    st.session_state["prep.undone"] = []


def _now() -> tuple[dict[str, Any], dict[str, Any]]:
    return base_recipe().to_json(), recipe_in_hand().to_json()


def adopt(recipe: Recipe) -> None:
    """Take a recipe that was just saved in hand, with nothing changed."""
    st.session_state["prep.base"] = st.session_state["prep.recipe"] = recipe.to_json()
