"""Evaluate: how good is this model, and how sure can one be?"""

import json

import streamlit as st

from dashboard import widgets
from dashboard.evaluation import sections
from dashboard.evaluation.bedside import draw_bedside
from dashboard.evaluation.choice import data_picker, dataset_findings, no_data, open_door
from dashboard.evaluation.comparing import draw_comparison
from dashboard.evaluation.figures import headline_tiles
from dashboard.evaluation.verdict import draw_verdict
from dashboard.loaders import evaluate as read
from pipeline.evaluation.report import build_report
from pipeline.evaluation.wording import people_text

TABS = ("Confusion", "Curves", "Calibration", "Bedside", "Subgroups", "Failures", "Compare")

with widgets.page_header("Evaluate", "How good is this model, and how sure can one be?"):
    run = widgets.run_picker(keep=lambda run: bool(read.parts_of(run)), needs="predictions")
    data = data_picker(run) if run is not None else None
if run is None:
    widgets.no_run()
    st.stop()
if data is None:
    no_data(run)
    st.stop()

if data == "test" and not open_door(run):
    st.stop()
elsewhere = data.removeprefix("dataset:") if data.startswith("dataset:") else None
findings = dataset_findings(run, elsewhere) if elsewhere else read.part_findings(run, data)
if findings is None:
    st.stop()
evaluation = findings.evaluation
dataset = elsewhere or run.params.get("dataset")

with st.container(horizontal=True, vertical_alignment="center"):
    # A real model on phantoms: the picker marks only what its own training says.
    widgets.synthetic_badge(evaluation.is_synthetic and run.tags.get("synthetic") != "true")
    said = f"{evaluation.data}: {people_text(evaluation)}. Ranges are 95 % intervals."
    st.caption(said, width="stretch")
    widgets.draw_download(
        "Report",
        lambda: build_report(evaluation),
        of=json.dumps(evaluation.to_json()),
        file_name=f"hilum-{run.name}-{data.replace(':', '-')}.html",
        mime="text/html",
        key="evaluate-report",
    )
headline_tiles(evaluation)
draw_verdict(evaluation.verdict)

tabs = dict(zip(TABS, st.tabs(TABS, key="evaluate.tab", on_change="rerun"), strict=True))
drawn = {
    "Confusion": lambda: sections.draw_confusion(findings, dataset),
    "Curves": lambda: sections.draw_curves(findings),
    "Calibration": lambda: sections.draw_calibration(findings),
    "Bedside": lambda: draw_bedside(findings),
    "Subgroups": lambda: sections.draw_subgroups(findings),
    "Failures": lambda: sections.draw_failures(findings, dataset),
    "Compare": lambda: draw_comparison(run),
}
for name, tab in tabs.items():
    if tab.open:
        with tab, widgets.guarded():
            drawn[name]()
