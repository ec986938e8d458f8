"""Predict: what does the model say about this slice, and why?"""

import streamlit as st

from dashboard import widgets

with widgets.page_header("Predict", "What does the model say about this slice, and why?"):
    run = widgets.run_picker()
if run is None:
    widgets.no_run()
    st.stop()
