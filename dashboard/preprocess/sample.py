"""The sample of slices that a recipe is tried on: pinned ones first, then classes and sources in turn."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.loaders import preprocess as load

COUNTS = (12, 24, 48, 96)


def sample_of(dataset: str, rows: pd.DataFrame, count: int) -> list[str]:
    """Return the ids of the sample: what is pinned among `rows`, then at random up to `count`."""
    pinned = [slice_id for slice_id in load.pinned(dataset) if slice_id in rows.index]
    drawn = load.sample_ids(
        dataset, tuple(rows.index), count=count, seed=st.session_state.get("prep.seed", 0)
    )
    others = [slice_id for slice_id in drawn if slice_id not in pinned]
    return [*pinned, *others[: max(0, count - len(pinned))]]


def draw_count() -> int:
    """Draw how many slices the sample has, and the button for others; return the number."""
    count = st.segmented_control(
        "Slices", COUNTS, default=COUNTS[1], key="prep.count", required=True, persist_state="session",
        label_visibility="collapsed", help="How many slices",
    )  # fmt: skip
    st.button(
        "Other slices", key="prep-reshuffle", icon=":material/casino:", help="Draw anew; pinned slices stay",
        on_click=_reshuffle,
    )  # fmt: skip
    return int(count or COUNTS[1])


def _reshuffle() -> None:
    st.session_state["prep.seed"] = st.session_state.get("prep.seed", 0) + 1
