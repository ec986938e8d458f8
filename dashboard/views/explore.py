"""Explore: what is in this data, and what is wrong with it?"""

import streamlit as st

from dashboard import widgets

with widgets.page_header("Explore", "What is in this data, and what is wrong with it?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()
