"""Taking an answer along: its picture and its JSON, each with the notice."""

from __future__ import annotations

import json
from pathlib import PurePath

import streamlit as st

from dashboard.prediction.maps import Shown
from dashboard.prediction.opinion import is_overridden
from dashboard.prediction.source import Asked


def draw_saving(asked: Asked, shown: Shown | None) -> None:
    """Draw the buttons that save the answer."""
    stem = PurePath(asked.name.split(",")[0]).stem
    with st.container(horizontal=True, gap="small", key="predict-saving"):
        if shown is not None:
            st.download_button(
                "Map as PNG", lambda: _picture(asked, shown), file_name=f"{stem}-{shown.label}.png",
                mime="image/png", icon=":material/image:", on_click="ignore", key="predict-save-png",
                help="The exact map over the slice, with its scale and the research notice",
            )  # fmt: skip
        st.download_button(
            "Answer as JSON", lambda: _document(asked), file_name=f"{stem}.json", mime="application/json",
            icon=":material/data_object:", on_click="ignore", key="predict-save-json",
            help="What `python -m pipeline predict --json` prints",
        )  # fmt: skip


def _picture(asked: Asked, shown: Shown) -> bytes:
    from pipeline.inference.predict import draw_prediction, encode_png

    values = asked.prediction.on_slice(asked.prediction.heatmap_of(shown.label).values)
    return encode_png(draw_prediction(asked.prediction, shown.label, values))


def _document(asked: Asked) -> bytes:
    answer = asked.prediction.to_json(input=asked.name) | {"overridden": is_overridden(asked)}
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False).encode()
