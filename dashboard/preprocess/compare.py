"""Two recipes on one slice, side by side: masks, inputs, verdicts, and where they differ."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import preprocess as load
from dashboard.loaders import train
from dashboard.loaders.preprocess import Evidence
from dashboard.preprocess import session
from dashboard.preprocess.evidence import evidence_words, mask_panel
from dashboard.preprocess.saving import draw_difference
from dashboard.preprocess.stages import picture_layer, verdict_words
from dashboard.viewer import Panel, viewer
from pipeline.preprocessing.apply import Preprocessed
from pipeline.preprocessing.recipe import Recipe, load_recipe


def draw_comparison(dataset: str, slice_id: str, recipe: Recipe) -> None:
    """Draw the recipe in hand beside another one of the user's choice."""
    names = train.recipes()
    base = session.base_recipe().name
    default = next((name for name in ("luna", "hilum") if name != base and name in names), names[0])
    name = st.selectbox(
        "Beside", names, index=names.index(default), key="prep.beside", width=240, persist_state="session"
    )
    other = load_recipe(name, loaders.workspace().recipes)
    mine = load.preprocessed(dataset, slice_id, recipe)
    theirs = load.preprocessed(dataset, slice_id, other)
    for_mine = load.evidence(dataset, slice_id, recipe)
    for_theirs = load.evidence(dataset, slice_id, other)
    in_hand = f"{recipe.name} (in hand)"
    viewer(
        [*_panels(mine, for_mine, in_hand), *_panels(theirs, for_theirs, other.name)],
        key="prep-compare",
        subject=slice_id,
        columns=4,
        height=290,
    )
    left, right = st.columns(2, gap="small")
    for side, done, used, evidence, title in (
        (left, mine, recipe, for_mine, in_hand),
        (right, theirs, other, for_theirs, other.name),
    ):
        with side:
            tone, head, text = verdict_words(done, used)
            said, against = evidence_words(evidence, doubted=done.verdict.suspicion is not None)
            took = f"{sum(done.milliseconds.values()):.1f} ms."
            if against and tone == "good":
                tone = "warn"
            widgets.callout(f"{head} {text} {said} {took}", tone=tone, title=title)
    st.caption(_agreement(mine, theirs))
    draw_difference(recipe, other, here="in hand", there=other.name)


def _panels(done: Preprocessed, evidence: Evidence, name: str) -> list[Panel]:
    return [
        mask_panel(done, evidence, title=f"{name}: mask"),
        Panel([picture_layer(done.output)], title=f"{name}: network input"),
    ]


def _agreement(mine: Preprocessed, theirs: Preprocessed) -> str:
    here, there = mine.found_mask > 0, theirs.found_mask > 0
    union = int(np.count_nonzero(here | there))
    if not union:
        return "Neither recipe finds a lung here."
    only_mine = np.count_nonzero(here & ~there) / union
    only_theirs = np.count_nonzero(there & ~here) / union
    return (
        f"Of all pixels that either calls lung, both agree on {np.count_nonzero(here & there) / union:.1%}; "
        f"{only_mine:.1%} only the recipe in hand, {only_theirs:.1%} only the other."
    )
