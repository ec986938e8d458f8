"""What is kept: recipes by name, with their default, and the slices that were prepared with them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import train
from dashboard.preprocess import session
from pipeline.errors import HilumError
from pipeline.preprocessing.default_recipe import set_default_recipe
from pipeline.preprocessing.recipe import PRESETS
from pipeline.recipes import delete_recipe, rename_recipe


def draw_kept() -> None:
    """Draw the recipes by name: set as default, rename, delete."""
    workspace = loaders.workspace()
    names, default = train.recipes(), train.default_recipe()
    widgets.heading("Kept recipes", f"Training and the command line take {default} where none is named.")
    if st.session_state.get("prep.kept") not in names:
        base = session.base_recipe().name
        st.session_state["prep.kept"] = base if base in names else names[0]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = str(
            st.selectbox(
                "Recipe", names, key="prep.kept", width=150, persist_state="session",
                format_func=lambda each: f"{each} (default)" if each == default else each,
            )
        )  # fmt: skip
        is_saved = name not in PRESETS
        st.button(
            "Set as default", key="prep-default", icon=":material/star:", disabled=name == default,
            on_click=_do, args=(lambda: _make_default(name), f"{name} is the default now."),
        )  # fmt: skip
        with st.popover("Rename", icon=":material/edit:", disabled=not is_saved):
            st.text_input("New name", value=name, key=f"prep.rename.{name}", max_chars=64)
            st.button(
                "Rename it", key="prep-rename", on_click=_do,
                args=(lambda: _rename(name), f"{name} has its new name."),
            )  # fmt: skip
        # A key a recipe: it closes once that one is gone, and does not ask for the next.
        with st.popover("Delete", icon=":material/delete:", disabled=not is_saved, key=f"prep.delete.{name}"):
            st.caption(f"{name} will be gone for good.")
            st.button(
                "Delete it", key="prep-delete", on_click=_do,
                args=(lambda: delete_recipe(workspace, name), f"{name} was deleted."),
            )  # fmt: skip
    if said := st.session_state.pop("prep.kept-said", None):
        tone, title, text = said
        widgets.callout(text, tone=tone, title=title)


def _make_default(name: str) -> None:
    set_default_recipe(loaders.workspace().recipes, name)
    st.session_state["train.recipe"] = name  # the form, should it have been open already


def _rename(name: str) -> None:
    new = str(st.session_state[f"prep.rename.{name}"]).strip()
    rename_recipe(loaders.workspace(), name, new)
    st.session_state["prep.kept"] = new
    session.rename(name, new)


def _do(act: Callable[[], None], said: str) -> None:
    try:
        act()
    except HilumError as error:
        st.session_state["prep.kept-said"] = ("bad", "Not done", str(error))
    else:
        st.session_state["prep.kept-said"] = ("good", "", said)


def draw_caches() -> None:
    """Draw the prepared slices by data set and recipe, with their size and a way to be rid of them."""
    from pipeline.cache.inventory import CacheInfo, list_caches

    found = list_caches(loaders.workspace())
    total = sum(each.bytes for each in found)
    widgets.heading("Prepared slices", f"{_size(total)} in all" if found else "")
    if not found:
        st.caption("None yet: a training prepares its slices once, and every later one reads them.")
        return
    table = pd.DataFrame(
        {
            "data set": [each.dataset for each in found],
            "recipe": [f"{each.recipe} ({each.recipe_hash[:6]})" for each in found],
            "slices": [f"{each.prepared:,} of {each.slices:,}" for each in found],
            "size": [_size(each.bytes) for each in found],
            "state": [each.words for each in found],
            "runs": [", ".join(each.runs) for each in found],
        }
    )
    st.dataframe(table, hide_index=True, width="stretch", height="content" if len(found) < 5 else 180)

    def words(each: CacheInfo) -> str:
        return f"{each.dataset}, {each.recipe} ({each.recipe_hash[:6]}), {_size(each.bytes)}"

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by_folder = {each.folder: each for each in found}
        folder = st.selectbox(
            "Prepared slices", list(by_folder), key="prep.cache", width=300, label_visibility="collapsed",
            format_func=lambda name: words(by_folder[name]) if name in by_folder else name,
        )  # fmt: skip
        st.button(
            "Remove", key="prep-evict", icon=":material/delete:", on_click=_evict, args=(str(folder),),
            disabled=by_folder[folder].in_use, help="They are prepared again when they are needed",
        )  # fmt: skip
    if said := st.session_state.pop("prep.cache-said", None):
        widgets.callout(said[1], tone=said[0])


def _evict(folder: str) -> None:
    from pipeline.cache.inventory import evict

    try:
        freed = evict(loaders.workspace(), folder)
    except HilumError as error:
        st.session_state["prep.cache-said"] = ("bad", str(error))
    else:
        st.session_state["prep.cache-said"] = ("good", f"{_size(freed)} given back.")


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.1f} MB"
