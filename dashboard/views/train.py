"""Train: how does a classifier learn on this data?"""

import streamlit as st

from dashboard import loaders, widgets
from dashboard.training.cost import draw_cost
from dashboard.training.form import draw_form, fill_form
from dashboard.training.live import draw_live
from pipeline.runs import RunStore
from pipeline.training.config import make_config

with widgets.page_header("Train", "How does a classifier learn on this data?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()

copied = st.session_state.pop("train.copy", None)
if copied is not None:
    fill_form(RunStore(loaders.workspace()).find(copied).load_config())

form, live = st.columns([3, 8], gap="medium")
with form, widgets.panel("New training", key="train-form"):
    with widgets.guarded("The form could not be shown."):
        values = draw_form(dataset)
        if values["split"] is not None:
            config = make_config(values, source="These settings")
            draw_cost(config)
            if st.button(
                "Train", type="primary", key="train-launch", icon=":material/play_arrow:", width="stretch"
            ):
                from pipeline.training.launch import launch_training

                st.session_state["train.follow"] = launch_training(loaders.workspace(), config).id
                st.rerun()
with live:
    draw_live()
