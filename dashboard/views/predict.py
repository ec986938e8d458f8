"""Predict: what does the model say about this slice, and why?"""

from pathlib import Path

import streamlit as st

from dashboard import loaders, prediction, widgets
from dashboard.loaders import predict as read
from dashboard.prediction.maps import draw_controls, draw_maps, draw_stages
from dashboard.prediction.opinion import draw_opinion, is_shown
from dashboard.prediction.saving import draw_saving
from dashboard.prediction.similar import draw_similar
from dashboard.prediction.source import draw_source

with widgets.page_header("Predict", "What does the model say about this slice, and why?"):
    dataset = widgets.dataset_picker() if loaders.datasets() else None
    run = widgets.run_picker(keep=read.has_engine)
if run is None:
    widgets.no_run()
    st.stop()

st.html(Path(prediction.__file__).with_name("style.css"))
asked = draw_source(run, dataset.name if dataset is not None else None)
if asked is None:
    st.stop()
shown = draw_controls(asked.prediction) if is_shown(asked) else None
picture, side = st.columns([73, 27], gap="medium")
with picture, widgets.guarded("The maps could not be drawn."):
    draw_maps(run, asked, shown)
with side:
    draw_opinion(run, asked)
    with widgets.guarded("The answer could not be prepared for saving."):
        draw_saving(asked, shown)
if is_shown(asked):
    with widgets.guarded("The similar slices could not be shown."):
        draw_similar(run, asked)
    draw_stages(asked)
