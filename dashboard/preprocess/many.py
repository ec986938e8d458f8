"""A sample of slices with mask outlines, the doubtful first, so that a setting isn't tuned on one picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.loaders import preprocess as load
from dashboard.loaders.preprocess import SampleSlice
from dashboard.preprocess.sample import draw_count, sample_of
from dashboard.viewer import GalleryItem, gallery
from dashboard.widgets import Tile
from pipeline.data.masks import KINDS, MaskFolderError
from pipeline.preprocessing.recipe import Recipe

ACTIONS = {"open": "Work on it", "pin": "Pin it"}
ORDERS: dict[str, Callable[[SampleSlice], float]] = {
    "doubt": lambda each: -each.doubt,
    "Dice": lambda each: 2.0 if each.dice is None else each.dice,
    "lesion recall": lambda each: 2.0 if each.lesion_recall is None else each.lesion_recall,
    "suspicion": lambda each: -each.suspect_pixels,
}
_PATIENCE = 0.5  # seconds before the page says how far it is


def draw_many(dataset: str, rows: pd.DataFrame, recipe: Recipe, *, labels: list[str]) -> str | None:
    """Draw the sample; return the slice that was just picked to be worked on, else None."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        count = draw_count()
        order = st.selectbox(
            "Sort by", list(ORDERS), key="prep.order", width=150, label_visibility="collapsed",
            format_func=lambda name: f"by {name}", persist_state="session",
        )  # fmt: skip
        action = st.segmented_control(
            "A click", list(ACTIONS), default="open", key="prep.action", format_func=ACTIONS.__getitem__,
            required=True, label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        pinning = st.container(horizontal=True, width="content")
        _draw_mask_folders(dataset)
    figures = st.empty()
    found = _prepare(dataset, sample_of(dataset, rows, count), recipe, figures)
    found.sort(key=ORDERS[order])
    pinned = load.pinned(dataset)
    with pinning:
        _draw_pinning(dataset, [each.slice_id for each in found if each.is_doubted], pinned)
    with figures.container():
        _draw_figures(rows, found, order=order)
    items = [_item(dict(rows.loc[each.slice_id]), each, labels, each.slice_id in pinned) for each in found]
    picked = gallery(items, key="prep-many", size=150, height=520)
    if picked is None:
        return None
    if action == "pin":
        chosen = found[picked].slice_id
        load.pin(dataset, [chosen], on=chosen not in pinned)
        st.rerun(scope="fragment")
    return found[picked].slice_id


def _prepare(dataset: str, ids: list[str], recipe: Recipe, place: Any) -> list[SampleSlice]:
    """Prepare the sample. What takes long says how far it is, which also lets a newer change end it."""
    found: list[SampleSlice] = []
    began = time.monotonic()
    for number, slice_id in enumerate(ids):
        each = load.sample_slice(dataset, slice_id, recipe)
        if each is not None:
            found.append(each)
        if time.monotonic() - began > _PATIENCE:
            place.progress((number + 1) / len(ids), f"Preparing slices: {number + 1} of {len(ids)}")
    return found


def _draw_pinning(dataset: str, doubted: list[str], pinned: list[str]) -> None:
    waiting = [slice_id for slice_id in doubted if slice_id not in pinned]
    st.button(
        "Pin doubted", key="prep-pin-doubted", icon=":material/keep:", disabled=not waiting,
        help="Keep the slices whose mask is not believed, whatever is drawn next",
        on_click=lambda: load.pin(dataset, waiting),
    )  # fmt: skip
    st.button(
        f"Unpin {len(pinned)}", key="prep-unpin", icon=":material/keep_off:", disabled=not pinned,
        help="Let go of all pinned slices", on_click=lambda: load.pin(dataset, pinned, on=False),
    )  # fmt: skip


def _draw_mask_folders(dataset: str) -> None:
    named = load.named_mask_folders(dataset)
    with st.popover("Known masks", icon=":material/shapes:", help="Folders of lung and lesion masks"):
        st.caption(
            "A folder with one mask a slice: the slice's stem, PNG (0 and 255) or NIfTI, the slice's size. "
            "Files are read where they lie."
        )
        for kind in KINDS:
            st.text_input(
                f"Folder of {kind[:-1]} masks", value=str(named.get(kind, "")), key=_mask_key(dataset, kind)
            )
        st.button("Use these folders", key="prep-use-masks", on_click=_use_masks, args=(dataset,))
        if said := st.session_state.pop("prep.masks-said", None):
            widgets.callout(said, tone="bad", title="Not used")


def _use_masks(dataset: str) -> None:
    try:
        for kind in KINDS:
            load.name_mask_folder(dataset, kind, st.session_state[_mask_key(dataset, kind)])
    except MaskFolderError as error:
        st.session_state["prep.masks-said"] = str(error)


def _mask_key(dataset: str, kind: str) -> str:
    return f"prep.masks.{dataset}.{kind}"


def _draw_figures(rows: pd.DataFrame, found: list[SampleSlice], *, order: str) -> None:
    """Draw what the sample says of the recipe, with n and interval."""
    from pipeline.evaluation.mask_figures import mean_over_groups

    if not all(each.asked for each in found):
        widgets.tiles([Tile("Lung masks", "none", "no mask asked for: nothing to believe or to doubt")])
        return
    doubted = sum(each.is_doubted for each in found)
    suspected = [each for each in found if each.lesion_recall is None and not each.lesions_known]
    tiles = [
        Tile(
            "Masks not believed", f"{doubted} of {len(found)}",
            "they come first, sorted by doubt" if order == "doubt" else "",
            tone="warn" if doubted else "good",
        )
    ]  # fmt: skip
    if any(each.dice is not None or each.lesions_known for each in found):
        groups = [_group(rows["patient_id"][each.slice_id], each.slice_id) for each in found]
        for label, values in (
            ("Mean Dice", [each.dice for each in found]),
            ("Mean lesion recall", [each.lesion_recall for each in found]),
        ):
            estimate, n = mean_over_groups(values, groups)
            tiles.append(Tile.of_estimate(label, estimate.to_json(), n=n, unit="slices"))
        lesions, lost = sum(each.lesions for each in found), sum(each.lost for each in found)
        tiles.append(
            Tile("Lesions lost", f"{lost} of {lesions}", "by half or more", tone="bad" if lost else "good")
        )
    if suspected:
        fired = sum(each.is_suspicious for each in suspected)
        tiles.append(
            Tile(
                "Something left out?", f"{fired} of {len(suspected)}",
                "a suspicion: something dense, or one side small",
                tone="warn" if fired else "neutral",
            )
        )  # fmt: skip
    widgets.tiles(tiles)


def _group(patient_id: Any, slice_id: str) -> str:
    """Return the patient, or the slice itself where the patient is unknown."""
    return patient_id if isinstance(patient_id, str) and patient_id else slice_id


def _item(row: dict[str, Any], each: SampleSlice, labels: list[str], is_pinned: bool) -> GalleryItem:
    badges = (["pinned"] if is_pinned else []) + (["not believed"] if each.is_doubted else [])
    if each.lost:
        badges.append("lesion lost")
    elif each.is_suspicious:
        badges.append("left out?")
    figures = []
    if each.dice is not None:
        figures.append(f"Dice {each.dice:.3f}")
    if each.lesion_recall is not None:
        figures.append(f"recall {each.lesion_recall:.2f}")
    return GalleryItem(
        each.picture,
        caption=str(row["path"]).rsplit("/", 1)[-1],
        color=class_color(row["label"], labels) if row["label"] in labels else "",
        badge=" · ".join(badges),
        detail=" · ".join(figures) or each.reason,
    )
