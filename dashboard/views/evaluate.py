"""Evaluate: how good is this model, and how sure can one be?"""

import streamlit as st

from dashboard import widgets

with widgets.page_header("Evaluate", "How good is this model, and how sure can one be?"):
    run = widgets.run_picker()
if run is None:
    widgets.no_run()
    st.stop()
