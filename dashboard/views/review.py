"""Review: what do readers see before and after the model speaks?"""

import streamlit as st

from dashboard import widgets

with widgets.page_header("Review", "What do readers see before and after the model speaks?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()
