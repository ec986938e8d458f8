"""Preprocess: which steps isolate the lungs, and do they hold on many slices?"""

import streamlit as st

from dashboard import widgets
from dashboard.preprocess.page import draw_workbench

with widgets.page_header("Preprocess", "Which steps isolate the lungs, and do they hold on many slices?"):
    dataset = widgets.dataset_picker()
if dataset is None:
    widgets.no_dataset()
    st.stop()
draw_workbench(dataset.name)
