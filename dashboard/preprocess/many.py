"""A sample of slices with mask outlines, the doubtful first, so that a setting isn't tuned on one picture."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import class_color
from dashboard.loaders import preprocess as load
from dashboard.viewer import GalleryItem, gallery, thumbnail
from pipeline.preprocessing.apply import Preprocessed, draw_outline, preprocess_slice
from pipeline.preprocessing.recipe import Recipe

COUNTS = (12, 24, 48, 96)
_RGB = {True: (0x35, 0xC2, 0xA5), False: (0xF2, 0x77, 0x7A)}


def draw_many(dataset: str, rows: pd.DataFrame, recipe: Recipe, *, labels: list[str]) -> str | None:
    """Draw the sample; return the slice that was just picked, else None."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        count = st.segmented_control(
            "Slices", COUNTS, default=COUNTS[1], key="prep.count", required=True, persist_state="session"
        )
        if st.button("Other slices", key="prep-reshuffle", icon=":material/casino:"):
            st.session_state["prep.seed"] = st.session_state.get("prep.seed", 0) + 1
        summary = st.empty()
    ids = load.sample_ids(
        dataset, tuple(rows.index), count=int(count), seed=st.session_state.get("prep.seed", 0)
    )
    done = [
        (name, found, preprocess_slice(found.image, intensity=found.intensity, recipe=recipe))
        for name, found in load.sample_images(dataset, tuple(ids))
    ]
    done.sort(key=lambda entry: -entry[2].verdict.doubt)
    doubted = sum(not result.verdict.plausible for _, _, result in done)
    summary.caption(
        f"{doubted} of {len(done)} masks are not believed; they come first. Classes and sources in turn. "
        "Pick one to work on it."
    )
    items = [_item(dict(rows.loc[name]), result, labels) for name, found, result in done]
    picked = gallery(items, key="prep-many", size=150, height=560)
    return done[picked][0] if picked is not None else None


def _item(row: dict[str, Any], done: Preprocessed, labels: list[str]) -> GalleryItem:
    believed = done.verdict.plausible
    mask = done.mask_on_stages()
    picture = draw_outline(done.stages["grey"], mask, color=_RGB[believed], thickness=3)
    reason = "" if believed else done.verdict.reasons[0].split(":")[0]
    return GalleryItem(
        thumbnail(picture, size=190),
        caption=str(row["path"]).rsplit("/", 1)[-1],
        color=class_color(row["label"], labels) if row["label"] in labels else "",
        badge="" if believed else "not believed",
        detail=reason or f"lungs {done.verdict.lung_fraction:.0%} of the body",
    )
