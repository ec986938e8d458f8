"""Before reading: who reads, how many slices, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import widgets
from dashboard.loaders import review as read
from dashboard.review import session

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

MOST_OFFERED = 8  # unfinished lists, the newest first


def draw_start(run: RunInfo) -> None:
    """Draw the form that begins a list."""
    test = read.slices(run)["slice_id"]
    sizes = [size for size in session.SIZES if size < len(test)] + [len(test)]
    left_out = int(test.isin(read.excluded(run)).sum())
    caption = f"{len(test) - left_out:,} test slices of this model's data set"
    if left_out:
        caption += f"; {left_out:,} more {'was' if left_out == 1 else 'were'} excluded and drop out of lists"
    _, middle, _ = st.columns([1, 2, 1])
    with (
        middle,
        widgets.panel("Read slices", caption, key="start"),
    ):
        st.markdown(
            "You say what you see first, with the model hidden. Then its opinion and heatmap appear, and you "
            "give your final label. Your first label is kept as it was; corrections are added, nothing is "
            "overwritten. Readings never change the data set's labels."
        )
        _draw_unfinished(run)
        with st.form("review.start", border=False):
            name = st.text_input("Your name or code", max_chars=60, key="review.name", value=_last_reader())
            left, right = st.columns(2)
            size = left.selectbox("Slices", sizes, index=min(1, len(sizes) - 1), key="review.size.form")
            seed = right.number_input(
                "Order", 0, 9999, 0, key="review.seed.form",
                help="The same number gives every reader the same slices in the same order.",
            )  # fmt: skip
            if st.form_submit_button("Begin", type="primary"):
                if not name.strip():
                    st.warning("Readings need a reader: give your name or a code.")
                else:
                    session.begin(name, seed=int(seed), size=int(size))
                    st.rerun()


def _draw_unfinished(run: RunInfo) -> None:
    """Offer the lists that were begun and not finished: a closed or reloaded page forgets who reads."""
    for one in session.unfinished(run)[:MOST_OFFERED]:
        text = f"Go on: {one.reader}, order {one.seed}, {one.done:,} of {one.total:,}"
        key = f"review.go-on.{one.seed}.{one.size}.{one.reader}"
        if st.button(text, key=key, icon=":material/resume:", width="stretch"):
            session.begin(one.reader, seed=one.seed, size=one.size)
            st.rerun()


def _last_reader() -> str:
    return str(st.session_state.get("review.reader.last", ""))
