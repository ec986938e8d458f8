"""Train: how does a classifier learn on this data?"""

import streamlit as st

from dashboard import loaders, widgets
from dashboard.training.form import draw_form, fill_form
from dashboard.training.live import draw_live
from pipeline.runs import RunStore

copied = st.session_state.pop("train.copy", None)
if copied is not None:
    with widgets.guarded("The run's settings could not be copied."):
        widgets.remember("dataset", fill_form(RunStore(loaders.workspace()).find(copied)))

with widgets.page_header("Train", "How does a classifier learn on this data?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()

form, live = st.columns([4, 9], gap="medium")
with form, widgets.panel("New training", key="train-form"):
    draw_form(dataset)
with live:
    draw_live()
