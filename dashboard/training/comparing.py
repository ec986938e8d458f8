"""The chosen runs side by side: which settings differ, and their figures on validation with intervals."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.charts.evaluate import forest_figure
from dashboard.charts.train import colors_of
from dashboard.evaluation.figures import figures_table
from dashboard.loaders import watching as load
from dashboard.training.words import LABELS
from pipeline.differences import what_differs
from pipeline.errors import user_errors

if TYPE_CHECKING:
    from pipeline.evaluation.estimates import Estimate
    from pipeline.evaluation.figures import Figures
    from pipeline.runs import RunInfo


def draw_comparison(runs: Sequence[RunInfo]) -> None:
    """Draw two runs or more side by side. What is resampled takes a second a run, once."""
    names = _names(runs)
    with widgets.panel("Compared on validation", key="train-comparison"):
        _draw_differing(runs, names)
        found = {run.id: load.figures(run) for run in runs if _has_validation(run)}
        missing = [names[run.id] for run in runs if run.id not in found]
        if missing:
            widgets.callout(
                f"{', '.join(missing)}: figures are made when a training has ended or was stopped.",
                title="Not measured yet",
            )
        if len(found) > 1:
            measured = [run for run in runs if run.id in found]
            colors = dict(zip((run.id for run in runs), colors_of(len(runs)), strict=True))
            _draw_figures(measured, names, found, [colors[run.id] for run in measured])


def _draw_differing(runs: Sequence[RunInfo], names: dict[str, str]) -> None:
    differing = what_differs(runs)
    if not differing:
        st.caption("The runs have the same settings throughout, the seed too.")
        return
    table = pd.DataFrame(
        {"setting": [LABELS.get(key, key.replace("_", " ")) for key in differing]}
        | {names[run.id]: [values[place] for values in differing.values()] for place, run in enumerate(runs)}
    )
    st.dataframe(
        table, hide_index=True, key="train-differing", placeholder="not known",
        height="content" if len(table) <= 10 else 320,
    )  # fmt: skip


def _draw_figures(
    runs: Sequence[RunInfo], names: dict[str, str], found: dict[str, Figures], colors: list[str]
) -> None:
    ids = [run.id for run in runs]
    if st.session_state.get("train.reference") not in ids:
        st.session_state["train.reference"] = ids[0]
    reference_id = st.selectbox(
        "Differences from", ids, format_func=names.__getitem__, key="train.reference", width=320
    )
    reference = next(run for run in runs if run.id == reference_id)
    rows: list[tuple[str, list[Estimate | str]]] = [
        (
            html.escape(names[run.id]),
            [
                _counted(found[run.id]),
                found[run.id].accuracy,
                found[run.id].macro_f1,
                found[run.id].macro_auc,
                _difference(run, reference),
            ],
        )
        for run in runs
    ]
    head = ["", "slices", "accuracy", "mean F1", "mean AUC", f"mean AUC minus {names[reference.id]}"]
    figures_table(head, rows, digits=3)
    figure = forest_figure(
        [(names[run.id], found[run.id].macro_auc) for run in runs],
        title="mean AUC over classes, validation",
        colors=colors,
    )
    widgets.chart(figure, key="train-forest")
    st.caption(
        "Intervals: 95 %, by resampling the patients (or groups) of the validation part. Each run chose its "
        "best epoch on these very slices, and the best of several runs is partly the luckiest: expect less "
        "of it on new patients. A difference whose interval contains 0 is not shown to be one."
    )


def _difference(run: RunInfo, reference: RunInfo) -> Estimate | str:
    """Return the difference of mean AUC on the slices that both have, or why there is none."""
    if run.id == reference.id:
        return "-"
    try:
        return load.difference(run, reference).differences["macro_auc"]
    except user_errors() as error:
        return str(error)


def _counted(figures: Figures) -> str:
    patients = f"{figures.patients:,} patients" if figures.patients else "patients unknown"
    return f"{figures.n:,} of {patients}, {figures.groups:,} groups"


def _has_validation(run: RunInfo) -> bool:
    return (run.artifacts / "predictions" / "val.parquet").is_file()


def _names(runs: Sequence[RunInfo]) -> dict[str, str]:
    """Return a name for each run that no other of them has."""
    count = Counter(run.name for run in runs)
    return {run.id: run.name if count[run.name] == 1 else f"{run.name} ({run.id[:8]})" for run in runs}
