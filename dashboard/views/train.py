"""Train: how does a classifier learn on this data?"""

import streamlit as st

from dashboard import widgets

with widgets.page_header("Train", "How does a classifier learn on this data?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()
