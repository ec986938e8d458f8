"""The recipe that the user has in hand: what it began as, what it is now, and the way back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import loaders
from pipeline.preprocessing.recipe import PRESETS, Recipe, RecipeError, load_recipe

_STEPS_BACK = 40


def recipe_in_hand() -> Recipe:
    """Return the recipe as the controls say it."""
    return Recipe(**st.session_state.setdefault("prep.recipe", PRESETS["hilum"].to_json()))


def base_recipe() -> Recipe:
    """Return the recipe that the one in hand began as."""
    return Recipe(**st.session_state.setdefault("prep.base", PRESETS["hilum"].to_json()))


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
    if steps := st.session_state.get("prep.steps"):
        st.session_state["prep.base"], st.session_state["prep.recipe"] = steps.pop()
        st.session_state.pop("prep.problem", None)


def can_undo() -> bool:
    """Return whether there is a change to take back."""
    return bool(st.session_state.get("prep.steps"))


def problem() -> str | None:
    """Return why the last change was not taken, None where it was."""
    return st.session_state.get("prep.problem")


def _remember_step() -> None:
    steps = st.session_state.setdefault("prep.steps", [])
    steps.append((base_recipe().to_json(), recipe_in_hand().to_json()))
    del steps[:-_STEPS_BACK]


def adopt(recipe: Recipe) -> None:
    """Take a recipe that was just saved in hand, with nothing changed."""
    st.session_state["prep.base"] = st.session_state["prep.recipe"] = recipe.to_json()
