"""Slices as the network will see them in training: as they are, and below them augmented anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.charts import class_color
from dashboard.loaders import train as load
from dashboard.viewer import GalleryItem, gallery, thumbnail
from pipeline.training.config import TrainConfig

if TYPE_CHECKING:
    from pipeline.training.augment import Change

COUNT = 4
GREATEST = 224  # pixels a side that are sent to the browser


def draw_preview(dataset: str, config: TrainConfig) -> None:
    """Draw some slices, and under each what augmentation made of it; a button draws other changes."""
    from pipeline.training.augment import draw_changes

    draw = st.session_state.setdefault("train.draw", 0)
    slices = load.preview_slices(dataset, config.recipe, count=COUNT)
    if not slices:
        st.caption("No slice can be shown.")
        return
    changes = draw_changes(
        config.augment, count=len(slices), size=slices[0][1].shape[0], seed=config.seed, epoch=draw
    )
    st.caption("As they are, and below each what augmentation made of it, as the network is given them:")
    _row(config, slices, [None] * len(slices), key="train-plain")
    _row(config, slices, [changes[place] for place in range(len(slices))], key="train-augmented")
    if st.button("Augment anew", key="train-draw", icon=":material/casino:", width="stretch"):
        st.session_state["train.draw"] = draw + 1
        st.rerun(scope="fragment")


def _row(
    config: TrainConfig,
    slices: list[tuple[str, np.ndarray]],
    changes: Sequence[Change | None],
    *,
    key: str,
) -> None:
    from pipeline.training.augment import network_slice

    items = []
    for (label, image), change in zip(slices, changes, strict=True):
        seen = network_slice(image, change, image_size=config.image_size)
        grey = np.clip(np.rint(seen[..., 0]), 0, 255).astype(np.uint8)  # of three channels the first
        items.append(GalleryItem(thumbnail(grey, size=GREATEST), caption=label, color=class_color(label)))
    gallery(items, key=key, size=64)
