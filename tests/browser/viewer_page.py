"""A page for test_viewer.py: pictures whose every value is known, and a count of the script's runs."""

import numpy as np
import streamlit as st

from dashboard.viewer import (
    GalleryItem,
    GreyLayer,
    HeatLayer,
    HuLayer,
    MaskLayer,
    Outline,
    Panel,
    Stack,
    gallery,
    thumbnail,
    viewer,
)
from dashboard.viewer.component import _component

st.set_page_config(layout="wide")
SIZE = 64
row, column = np.mgrid[:SIZE, :SIZE]

st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.text(f"runs {st.session_state['runs']}")
st.button("Run again")
offset = st.number_input("Offset", 0, 100, 0)
subject = st.text_input("Subject", "a")

slice_hu = (20 * row + column - 1000 + offset).astype(np.int16)
grey = (2 * row + column).astype(np.uint8)
heat = ((column - row) / 10).astype(np.float32)
square = [np.array([[16, 16], [47, 16], [47, 47], [16, 47]])]
done = viewer(
    [
        Panel(
            [HuLayer(slice_hu, center=-400, width=1200)],
            title="Slice",
            spacing=0.5,
            outlines=[Outline(square, name="square", color="#00ff00", width=3)],
        ),
        Panel([GreyLayer(grey), HeatLayer(heat, signed=True, unit="margin", fade=False)], title="Heat"),
        Panel([GreyLayer(grey), MaskLayer(row > 31, color="#ff0000")], title="Mask"),
    ],
    key="viewer",
    subject=subject,
    height=384,
    events=["click", "step"],
)
if done.clicked:
    st.text(f"clicked {done.clicked.title} {done.clicked.row} {done.clicked.column}")
if done.step:
    st.text(f"step {done.step}")

place = st.session_state.get("place", 3)
series = viewer(
    [Panel([HuLayer(slice_hu + 100 * place)], title="Series", marks=("R", "L", "A", "P"))],
    key="series",
    subject=f"slice {place}",
    height=200,
    stack=Stack(place, 20, label=f"{-5 * place} mm", colors=["#E69F00"] * 10 + ["#56B4E9"] * 10),
    presets=[("As stored", -500, 1400)],
)
if series.seek is not None:
    st.session_state["place"] = series.seek
    st.rerun()

items = [GalleryItem(thumbnail(grey), caption=f"case {i}", color="#E69F00") for i in range(8)]
picked = gallery([*items, GalleryItem(None, caption="broken", badge="unreadable")], key="gallery", selected=1)
if picked is not None:
    st.text(f"picked {picked}")

_component()(key="damaged", data=b"\x05\x00\x00\x00{bad}")
