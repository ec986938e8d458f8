"""Predict: what does the model say about this slice, and why?"""

import streamlit as st

from dashboard import widgets
from dashboard.loaders import predict as read
from dashboard.prediction.batch import draw_batch
from dashboard.prediction.maps import draw_controls, draw_maps, draw_stages
from dashboard.prediction.opinion import draw_opinion, is_shown
from dashboard.prediction.report_card import draw_report_card
from dashboard.prediction.saving import draw_saving
from dashboard.prediction.series import draw_series
from dashboard.prediction.similar import draw_similar
from dashboard.prediction.source import FOLDER, SERIES, draw_kind, draw_source
from pipeline.inference.wording import has_answer

with widgets.page_header("Predict", "What does the model say about this slice, and why?"):
    dataset = widgets.dataset_picker()
    run = widgets.run_picker(keep=read.has_engine)
if run is None:
    widgets.no_run()
    st.stop()
if dataset is None and widgets.missing("dataset") is not None:
    widgets.no_dataset()
    st.stop()

row = st.container(horizontal=True, vertical_alignment="center", gap="small", key="predict-source")
name = dataset.name if dataset is not None else None
with row:
    kind = draw_kind()
if kind == FOLDER:
    draw_batch(run)
    st.stop()
asked = draw_series(run, name, row) if kind == SERIES else draw_source(run, name, row)
if asked is None:
    st.stop()
has_map = has_answer(asked.prediction)
shown = draw_controls(asked.prediction) if has_map and is_shown(run, asked) else None
picture, side = st.columns([73, 27], gap="medium")
with picture, widgets.guarded("The maps could not be drawn."):
    below = draw_maps(run, asked, shown)
    if shown is not None:
        draw_report_card(run, asked, shown, below)
with side:
    acts = draw_opinion(run, asked)
    with acts, widgets.guarded("The answer could not be prepared for saving."):
        draw_saving(run, asked, shown)
if is_shown(run, asked):
    with widgets.guarded("The similar slices could not be shown."):
        draw_similar(run, asked)
    draw_stages(asked)
