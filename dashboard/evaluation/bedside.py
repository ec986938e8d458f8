"""What the figures mean where the model would be used: by slice or by patient, at a prevalence."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from dashboard import widgets
from dashboard.charts import evaluate as charts
from dashboard.evaluation.figures import class_picker, estimate_tile, figures_table, interval_words
from dashboard.loaders.evaluate import PREVALENCES, Findings
from pipeline.evaluation.calling import Calling
from pipeline.evaluation.estimates import Estimate


def draw_bedside(findings: Findings) -> None:
    """Draw how well a class is called by each rule, predictive values at a prevalence, the decision curve."""
    evaluation = findings.evaluation
    choices = st.container(horizontal=True, gap="large", vertical_alignment="bottom")
    with choices:
        label = class_picker(evaluation, "bedside")
    if evaluation.figures.per_class[label].n in (0, evaluation.figures.n):
        widgets.callout(f"These slices are all of one kind with regard to {label}: nothing can be said here.")
        return
    with choices:
        calling = _calling_picker(findings.callings(label))
        percent = st.slider(
            f"Prevalence of {label} among {calling.unit}s where the model would be used",
            0.5, 60.0, 10.0, 0.5, format="%.1f %%", key="evaluate.prevalence", width=420,
        )  # fmt: skip
    found = findings.predictive(calling, percent / 100)
    widgets.tiles(
        [
            estimate_tile("Sensitivity", found.sensitivity, f"{calling.n_with:,} {calling.unit}s"),
            estimate_tile("Specificity", found.specificity, f"{calling.n_without:,} {calling.unit}s"),
            estimate_tile(f"Called {label}, and right", found.ppv, "PPV"),
            estimate_tile(f"Not called {label}, and right", found.npv, "NPV"),
        ]
    )
    st.caption(_of_a_thousand(percent / 100, calling))
    left, right = st.columns(2, gap="medium")
    with left, widgets.panel("Predictive values by prevalence", f"by {calling.unit}", key="predictive"):
        over = findings.over_prevalence(calling)
        figure = charts.predictive_figure(
            PREVALENCES, [v.ppv for v in over], [v.npv for v in over], at=percent / 100
        )
        widgets.chart(figure, key="evaluate.predictive", height=380)
    with (
        right,
        widgets.panel(
            "Does acting on it pay?", "net benefit by slice, at these slices' prevalence", key="decision"
        ),
    ):
        figure = charts.decision_figure(findings.decision(label), evaluation.figures.labels)
        widgets.chart(figure, key="evaluate.decision", height=380)
        if not evaluation.circumstances.calibrated:
            st.caption("A decision curve presumes calibrated probabilities; these are scores.")
    with widgets.panel(f"How {label} is called", interval_words(evaluation), key="callings"):
        _draw_callings(findings.callings(label))


def _calling_picker(callings: Sequence[Calling]) -> Calling:
    """Draw the choice of what is counted and by which rule; the first is what a patient's slices say."""
    by_rule = {f"{one.unit}: {one.rule}": one for one in callings}
    first = next((name for name, one in by_rule.items() if one.unit == "patient"), next(iter(by_rule)))
    chosen = st.selectbox(
        "Called where", list(by_rule), index=list(by_rule).index(first), width=420,
        key=f"evaluate.calling.{callings[0].label}",
        help="What is counted, and when it is called. A patient has the class who has a slice of it here.",
    )  # fmt: skip
    return by_rule[chosen]


def _draw_callings(callings: Sequence[Calling]) -> None:
    rows: list[tuple[str, list[Estimate | str]]] = [
        (
            html.escape(f"{one.unit.capitalize()}: {one.rule}"),
            [one.sensitivity, one.specificity, f"{one.n_with:,}", f"{one.n_without:,}"],
        )
        for one in callings
    ]
    figures_table(["Called where", "Sensitivity", "Specificity", "With it", "Without"], rows)
    if all(one.unit == "slice" for one in callings):
        st.caption("By patient nothing can be said: not every slice's patient is known.")


def _of_a_thousand(prevalence: float, calling: Calling) -> str:
    sensitivity, specificity = calling.sensitivity.value, calling.specificity.value
    if sensitivity is None or specificity is None:
        return ""
    ill = round(1000 * prevalence)
    found = round(ill * sensitivity)
    alarms = round((1000 - ill) * (1 - specificity))
    return (
        f"Of 1,000 such {calling.unit}s {ill:,} are {calling.label}: {found:,} would be called so and "
        f"{ill - found:,} missed; {alarms:,} of the other {1000 - ill:,} would be called {calling.label} "
        "wrongly."
    )
