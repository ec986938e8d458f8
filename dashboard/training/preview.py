"""Slices as the network will see them in training: augmented anew at each look."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from dashboard.charts import class_color
from dashboard.loaders import train as load
from dashboard.viewer import GalleryItem, gallery, thumbnail

COUNT = 6


def draw_preview(dataset: str, recipe: str, augment: dict[str, Any], *, image_size: int) -> None:
    """Draw some slices with other random changes at each press of the button."""
    from pipeline.training.augment import draw_changes, network_slice
    from pipeline.training.config import Augmentation

    draw = st.session_state.setdefault("train.draw", 0)
    slices = load.preview_slices(dataset, recipe, count=COUNT)
    if not slices:
        st.caption("No slice can be shown.")
        return
    changes = draw_changes(
        Augmentation(**augment), count=len(slices), size=slices[0][1].shape[0], seed=0, epoch=draw
    )
    items = []
    for place, (label, image) in enumerate(slices):
        seen = network_slice(image, changes[place] if draw else None, image_size=image_size)
        picture = np.clip(np.rint(seen), 0, 255).astype(np.uint8).squeeze()
        items.append(
            GalleryItem(thumbnail(picture, size=image_size), caption=label, color=class_color(label))
        )
    gallery(items, key="train-preview", size=96)
    left, right = st.columns(2)
    if left.button("Augment", key="train-draw", icon=":material/casino:", width="stretch"):
        st.session_state["train.draw"] = draw + 1
        st.rerun()
    if right.button("As they are", key="train-plain", disabled=draw == 0, width="stretch"):
        st.session_state["train.draw"] = 0
        st.rerun()
