"""Puts the page together: controls on the left, pictures on the right, redrawn without the rest."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import widgets
from dashboard.loaders import pictures
from dashboard.loaders import preprocess as load
from dashboard.preprocess import session
from dashboard.preprocess.choosing import draw_slice_choice, step_from
from dashboard.preprocess.compare import draw_comparison
from dashboard.preprocess.controls import draw_controls, draw_recipe_picker
from dashboard.preprocess.many import draw_many
from dashboard.preprocess.saving import draw_recipe
from dashboard.preprocess.sensitivity import draw_sensitivity
from dashboard.preprocess.stages import draw_stages, draw_verdict
from pipeline.data.slice_image import SliceError
from pipeline.preprocessing.apply import Preprocessed
from pipeline.preprocessing.recipe import Recipe

VIEWS = ("Stages", "Many slices", "Side by side", "Sensitivity", "Recipe")


@st.fragment
def draw_workbench(dataset: str) -> None:
    """Draw the workbench of a data set. A fragment: a moved slider redraws this and nothing else."""
    with widgets.guarded("The workbench could not be shown."):
        rows = load.readable(dataset)
        if rows.empty:
            widgets.callout("No slice of this data set can be read; Explore says why.", tone="warn")
            return
        _draw(dataset, rows, [str(label) for label in dict.fromkeys(rows["label"].dropna())])


def _draw(dataset: str, rows: pd.DataFrame, labels: list[str]) -> None:
    controls, pictures_side = st.columns([5, 19], gap="medium")
    # A slice picked among many is shown large: said before the control is drawn, since not after.
    st.session_state["prep.view"] = (
        st.session_state.pop("prep.show", st.session_state.get("prep.view")) or VIEWS[0]
    )
    with pictures_side:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="prep-bar"):
            view = st.segmented_control(
                "View", VIEWS, key="prep.view", label_visibility="collapsed", required=True
            )
            slice_id, offered = draw_slice_choice(dataset, rows, labels)
    try:
        found = pictures.slice_image(dataset, slice_id)
    except SliceError as error:
        with pictures_side:
            widgets.callout(f"{error} Choose another slice.", tone="warn", title="This slice can't be read.")
        with controls:
            draw_recipe_picker()
        return
    recipe = session.recipe_in_hand()
    done = load.preprocessed(dataset, slice_id, recipe)

    # Pictures before controls: what a moved slider changes is on its way before the rest is drawn.
    with pictures_side:
        if view == "Many slices":
            picked = draw_many(dataset, offered, recipe, labels=labels)
            if picked is not None:
                st.session_state["prep.show"] = VIEWS[0]
                _show_slice(picked)
        elif view == "Side by side":
            draw_comparison(dataset, slice_id, recipe)
        elif view == "Sensitivity":
            draw_sensitivity(dataset, offered, recipe)
        elif view == "Recipe":
            draw_recipe(recipe)
        else:
            evidence = load.evidence(dataset, slice_id, recipe)
            draw_verdict(done, recipe, evidence)
            step = draw_stages(done, recipe, evidence, subject=slice_id, notes=found.notes)
            if step is not None:
                _show_slice(step_from(offered, slice_id, step))
    with controls, st.container(key="prep-controls", gap="small", height=716, border=False):
        draw_recipe_picker()
        draw_controls(
            recipe,
            has_hu=found.intensity == "hu",
            histogram=lambda: _histogram(dataset, slice_id, recipe, done),
        )


def _show_slice(slice_id: str) -> None:
    widgets.remember("slice", slice_id)
    st.rerun(scope="fragment")


def _histogram(dataset: str, slice_id: str, recipe: Recipe, done: Preprocessed) -> go.Figure:
    center, half = recipe.window.center, recipe.window.width / 2
    return load.histogram(dataset, slice_id, level=done.level, window=(center - half, center + half))
