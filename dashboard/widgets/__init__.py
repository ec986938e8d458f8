"""What every page is built from. A page begins so:

    from dashboard import loaders, widgets

    controls = widgets.page_header("Explore", "What is in this data, and what is wrong with it?")
    with controls:
        dataset = widgets.dataset_picker()
    if dataset is None:
        widgets.no_dataset()          # the empty state: how to bring data, or that the one asked for is gone
        st.stop()

`app.py` wraps each page in `guarded()`, draws the status bar with the research notice, and sets the theme; a
page does none of these. Choices (`?dataset=`, `?run=`, `?slice=`) are kept by `recall` and `remember`.
"""

from dashboard.widgets.choices import Missing, dataset_picker, missing, recall, remember, run_picker
from dashboard.widgets.downloads import draw_download
from dashboard.widgets.empty import no_dataset, no_run, not_shown
from dashboard.widgets.frame import guarded, is_dark, page_header, set_up_page, status_bar
from dashboard.widgets.parts import (
    NOTICE,
    Tile,
    callout,
    chart,
    class_badge,
    class_legend,
    empty_state,
    estimate_text,
    heading,
    panel,
    research_notice,
    synthetic_badge,
    tiles,
)

__all__ = [
    "NOTICE",
    "Missing",
    "Tile",
    "callout",
    "chart",
    "class_badge",
    "class_legend",
    "dataset_picker",
    "draw_download",
    "empty_state",
    "estimate_text",
    "guarded",
    "heading",
    "is_dark",
    "missing",
    "no_dataset",
    "no_run",
    "not_shown",
    "page_header",
    "panel",
    "recall",
    "remember",
    "research_notice",
    "run_picker",
    "set_up_page",
    "status_bar",
    "synthetic_badge",
    "tiles",
]
