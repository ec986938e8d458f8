"""The router: one look, six pages, the research notice and a calm sentence for whatever goes wrong.

Started with `python -m streamlit run dashboard/app.py` from the project's root, or `make run`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import widgets
from dashboard.review import clock

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
explore, *others = (
    st.Page(VIEWS / f"{name}.py", title=title, icon=icon, url_path=name if at else "home", default=not at)
    for at, (name, title, icon) in enumerate(PAGES)
)


def go_to_explore() -> None:
    """Lead from /explore to the first page, which is served at / alone; a link's choices come along."""
    st.switch_page(explore, query_params=st.query_params.to_dict())


typed = st.Page(go_to_explore, title="Explore", url_path="explore", visibility="hidden")
page = st.navigation([explore, *others, typed], position="top")
# Before the page: a page that ends early with st.stop() ends the whole script.
with widgets.guarded():
    widgets.status_bar()
if page.url_path != "review":
    clock.pause()  # the slice that is read there is off the screen
with widgets.guarded():
    page.run()
