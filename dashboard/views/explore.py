"""Explore: what is in this data, and what is wrong with it?"""

import streamlit as st

from dashboard import widgets
from dashboard.exploring import bringing
from dashboard.exploring.findings import draw_findings
from dashboard.exploring.head import draw_figures
from dashboard.exploring.overview import draw_overview
from dashboard.exploring.slices import draw_slices
from dashboard.exploring.splitting import draw_splitting
from dashboard.loaders import explore as load

TABS = {"Overview": draw_overview, "Slices": draw_slices, "Findings": draw_findings, "Split": draw_splitting}

with widgets.page_header("Explore", "What is in this data, and what is wrong with it?"):
    dataset = widgets.dataset_picker()
    bringing.draw_controls(dataset)
if dataset is None:
    widgets.no_dataset()
    st.stop()
bringing.draw_progress()
draw_figures(dataset.name, load.index(dataset.name), load.audit(dataset.name))
if "explore.tab" not in st.session_state:  # one default a visit: with another, the next click would be lost
    # A link to a slice opens where it is seen.
    st.session_state["explore.opens"] = "Slices" if widgets.recall("slice") else "Overview"
opens = st.session_state.get("explore.opens", "Overview")
if goes := st.session_state.pop("explore.goes", None):  # a tab that leads to another
    st.session_state["explore.tab"] = goes
tabs = st.tabs(list(TABS), key="explore.tab", default=opens, on_change="rerun")
for tab, draw in zip(tabs, TABS.values(), strict=True):
    if tab.open:
        with tab, widgets.guarded("This tab could not be shown."):
            draw(dataset.name)
