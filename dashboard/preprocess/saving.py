"""The recipe as text: what differs from where it began, its JSON to copy, and saving it by name."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.preprocess import session
from dashboard.preprocess.keeping import draw_caches, draw_kept
from pipeline.errors import HilumError
from pipeline.preprocessing.recipe import Recipe
from pipeline.recipes import keep_recipe, suggest_name


def draw_recipe(recipe: Recipe) -> None:
    """Draw saving, the saved recipes, the difference to what the recipe began as, and its JSON."""
    left, right = st.columns(2, gap="medium")
    base = session.base_recipe()
    with left:
        _draw_saving(recipe, base)
        draw_kept()
        widgets.heading(f"Changes from {base.name}")
        draw_difference(base, recipe, here=base.name, there="in hand")
    with right:
        draw_caches()
        widgets.heading("JSON", f"hash {recipe.hash[:12]}")
        st.code(json.dumps(recipe.to_json(), indent=2), language="json", height=420)


def draw_difference(one: Recipe, other: Recipe, *, here: str, there: str) -> None:
    """Draw where two recipes differ, or that they don't."""
    found = one.difference(other)
    if not found:
        st.caption("Every parameter is the same.")
        return
    table = pd.DataFrame(
        [(name, str(a), str(b)) for name, (a, b) in found.items()], columns=["parameter", here, there]
    )
    st.dataframe(table, hide_index=True, width="stretch", height="content")


def _draw_saving(recipe: Recipe, base: Recipe) -> None:
    widgets.heading("Save", "Training, prediction and the command line find it by this name.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        suggested = suggest_name(loaders.workspace(), base)
        name = st.text_input("Name", value=suggested, key=f"prep.name.{suggested}", width=240, max_chars=64)
        pressed = st.button("Save recipe", key="prep-save", icon=":material/save:", type="primary")
    if pressed:
        try:
            named = recipe.changed(name=name.strip())
            path = keep_recipe(loaders.workspace(), named, over=base)
        except HilumError as error:
            widgets.callout(str(error), tone="bad", title="Not saved")
            return
        session.adopt(named)
        st.session_state["prep.saved"] = f"Saved as {named.name} in {path.parent}."
        st.rerun()
    if said := st.session_state.pop("prep.saved", None):
        widgets.callout(said, tone="good")
