"""The router: one look, six pages, the research notice and a calm sentence for whatever goes wrong.

Started with `python -m streamlit run dashboard/app.py` from the project's root, or `make run`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import widgets

VIEWS = Path(__file__).parent / "views"
PAGES = (
    ("explore", "Explore", ":material/grid_view:"),
    ("preprocess", "Preprocess", ":material/tune:"),
    ("train", "Train", ":material/timeline:"),
    ("evaluate", "Evaluate", ":material/verified:"),
    ("predict", "Predict", ":material/center_focus_strong:"),
    ("review", "Review", ":material/rate_review:"),
)

widgets.set_up_page()
page = st.navigation(
    [
        st.Page(VIEWS / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "explore")
        for name, title, icon in PAGES
    ],
    position="top",
)
# Before the page: a page that ends early with st.stop() ends the whole script.
with widgets.guarded():
    widgets.status_bar()
with widgets.guarded():
    page.run()
