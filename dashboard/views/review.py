"""Review: what do readers see before and after the model speaks?"""

import streamlit as st

from dashboard import widgets
from dashboard.loaders import review as read
from dashboard.review import clock, session
from dashboard.review.reading import draw_reading
from dashboard.review.records import draw_readings
from dashboard.review.results import draw_agreement
from dashboard.review.start import draw_start

TABS = ("Read", "Agreement", "Readings")

with widgets.page_header("Review", "What do readers see before and after the model speaks?"):
    if session.reader() and st.button(
        f"Reader: {session.reader()}",
        key="review.other",
        type="tertiary",
        icon=":material/switch_account:",
        help="Let another reader begin",
    ):
        session.leave()
        st.rerun()
    run = widgets.run_picker(keep=lambda run: (run.artifacts / "engine" / "engine.json").is_file())
    if run is not None and run.tags.get("synthetic") != "true":  # the picker marks only what the run says
        widgets.synthetic_badge(read.is_synthetic(run))
if run is None:
    widgets.no_run()
    st.stop()

reading, agreement, records = st.tabs(TABS, key="review.tab", on_change="rerun")
worklist = session.current_worklist(run) if session.reader() else None
if not reading.open:
    clock.pause()
with reading, widgets.guarded():
    if reading.open:
        if worklist is None:
            draw_start(run)
        else:
            draw_reading(worklist)
with agreement, widgets.guarded():
    if agreement.open:
        draw_agreement(run, worklist)
with records, widgets.guarded():
    if records.open:
        draw_readings(run, worklist)
