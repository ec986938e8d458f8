"""Two runs on the same slices, and what of their difference is more than luck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts import evaluate as charts
from dashboard.evaluation.figures import figures_table
from dashboard.loaders import evaluate as read

if TYPE_CHECKING:
    from pipeline.runs import RunInfo


def draw_comparison(run: RunInfo) -> None:
    """Draw the choice of another run and of slices, and the differences on these."""
    others = {
        other.id: other for other in loaders.runs() if other.id != run.id and "val" in read.parts_of(other)
    }
    if "val" not in read.parts_of(run) or not others:
        widgets.callout(
            "Runs are compared on validation. It takes two runs with validation slices in common: train "
            "another on the same split.",
            title="Nothing to compare with yet",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Compare with",
            list(others),
            format_func=lambda key: _named(others[key]),
            key="evaluate.other",
            width=320,
        )
        other = others[str(chosen)]
        dataset = _choose_dataset(run, other)
    with widgets.guarded("The runs could not be compared."):
        if dataset is None:
            found, what = read.comparison(run, other, "val"), "validation slices"
        else:
            found, what = read.comparison_on(run, other, dataset), f"slices of {dataset}"
        people = f"{found.n:,} {what}, {found.groups:,} {found.unit}s, drawn for both at once"
        widgets.callout(found.summary, title=people)
        left, right = st.columns([7, 5], gap="medium")
        words = {"accuracy": "accuracy", "macro_f1": "mean F1", "macro_auc": "mean AUC"}
        rows = [(words[name], value) for name, value in found.differences.items()]
        rows += [(f"AUC {label}", value) for label, value in found.auc.items()]
        with (
            left,
            widgets.panel(
                f"{found.first} minus {found.second}", "left of 0: the second is better", key="differences"
            ),
        ):
            reach = max(
                [0.05, *(abs(edge) for _, e in rows for edge in (e.low or 0, e.high or 0, e.value or 0))]
            )
            figure = charts.forest_figure(
                rows, title="difference", reference=0.0, x_range=(-1.1 * reach, 1.1 * reach)
            )
            widgets.chart(figure, key="evaluate.differences", height=80 + 32 * len(rows))
        with right, widgets.panel("Side by side", key="side-by-side"):
            one, two = found.figures
            figures_table(
                ["", found.first, found.second],
                [
                    ("accuracy", [one.accuracy, two.accuracy]),
                    ("mean F1", [one.macro_f1, two.macro_f1]),
                    ("mean AUC", [one.macro_auc, two.macro_auc]),
                ],
            )
            st.caption(
                f"Only {found.first} right: {found.only_first:,} slices; only {found.second}: "
                f"{found.only_second:,}. If slices were independent, which they are not, McNemar's p would "
                f"be {found.mcnemar_p:.3g}."
            )


def _choose_dataset(run: RunInfo, other: RunInfo) -> str | None:
    """Draw the choice of what both are compared on; return a data set, None for validation."""
    shared = read.shared_datasets(run, other)
    if not shared:
        st.caption(
            f"On validation. There is no other data set on which both were evaluated: choose one under “On”, "
            f"above, for {run.name} and for {other.name}; then they can be compared on it."
        )
        return None
    asked = (widgets.recall("data") or "").removeprefix("dataset:")
    chosen = st.selectbox(
        "On slices of",
        ["", *shared],
        index=shared.index(asked) + 1 if asked in shared else 0,
        format_func=lambda name: name or "Validation",
        key=f"evaluate.compared-{run.id}-{other.id}",
        width=200,
    )
    return chosen or None


def _named(run: RunInfo) -> str:
    return f"{run.name} · {run.params.get('architecture', '')} · {run.id[:8]}"
