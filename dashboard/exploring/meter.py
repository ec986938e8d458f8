"""The leakage meter: what the same probe reaches under a careless and under an honest split."""

from __future__ import annotations

import streamlit as st

from dashboard import widgets
from dashboard.charts.evaluate import forest_figure
from dashboard.loaders import explore as load
from pipeline.evaluation.estimates import Estimate

ROWS = {
    "slice_wise": "slices dealt singly",
    "patient_wise": "by patient id",
    "cluster_wise": "by patient and near-copies",
}


def draw_meter(dataset: str) -> None:
    """Draw the meter of the last audit, its sentence above it."""
    report = load.audit(dataset)
    meter = report.leakage_meter if report is not None else None
    if meter is None:
        st.caption("The audit measures it: start one in the Findings tab.")
        return
    gain = meter.flattery
    if gain.value is None:
        widgets.callout(meter.sentence, tone="neutral")
        return
    certain = gain.low is not None and gain.low > 0
    widgets.callout(meter.sentence, tone="warn" if certain else "neutral")
    rows = []
    for scheme, name in ROWS.items():
        found = getattr(meter, scheme)
        rows.append((name, Estimate(found.value, found.low, found.high, reason=found.reason)))
    widgets.chart(
        forest_figure(rows, title=f"{meter.measure}; dashed: chance", reference=meter.chance),
        key="split-meter",
        height=190,
    )
    thinned = f"{meter.asked:,} asked about, " if meter.asked < meter.slices else ""
    st.caption(
        f"Probe: {meter.probe}. {meter.slices:,} slices, {thinned}{meter.groups:,} groups; "
        f"{meter.folds} folds, {meter.repeats} times; 95 % intervals by resampling groups."
    )
