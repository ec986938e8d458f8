"""What the readings say: the opinion's influence, each reader's accuracy, agreement, where readers differ."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.evaluation.figures import figures_table
from dashboard.loaders import pictures
from dashboard.loaders import review as read
from dashboard.review.guard import draw_guard
from dashboard.review.records import predict_link
from dashboard.review.session import Worklist
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.predictions import focus_class
from pipeline.review.accuracy import reader_accuracy
from pipeline.review.agreement import agreements, disagreements, influence

if TYPE_CHECKING:
    from pipeline.runs import RunInfo


def draw_agreement(run: RunInfo, worklist: Worklist | None) -> None:
    """Draw how far readers agree with the reference, the model and each other."""
    readings = read.readings(run)
    if not len(readings):
        widgets.callout("Nobody has read a slice with this model yet.")
        return
    if not draw_guard(run, worklist, of="agreement", key="agreement"):
        return
    counted = readings[~readings["slice_id"].isin(read.excluded(run))]
    dataset = str(run.params.get("dataset"))
    reference = read.reference(dataset)
    groups = read.groups(run)
    known = bool(pictures.index_of(dataset)["patient_id"].reindex(readings["slice_id"]).notna().all())
    unit = "patients" if known else "groups (patients unknown)"
    _influence_tiles(counted, reference, excluded=len(readings) - len(counted))
    _draw_accuracy(run, counted, reference, groups, unit)
    caption = f"share of equal labels and Cohen's kappa, 95 % intervals over {unit}"
    with widgets.panel("Agreement", caption, key="agreement"):
        rows: list[tuple[str, list[Estimate | str]]] = [
            (
                html.escape(f"{found.first} and {found.second}"),
                [found.percent, found.kappa, f"{found.n:,}", f"{found.groups:,}"],
            )
            for found in agreements(counted, reference, groups)
        ]
        figures_table(["", "Equal", "Kappa", "Slices", unit.capitalize()], rows)
    _draw_disagreements(run, counted, reference)


def _draw_accuracy(
    run: RunInfo, readings: pd.DataFrame, reference: dict[str, str], groups: Mapping[str, str], unit: str
) -> None:
    label = focus_class(run.class_names)
    found = reader_accuracy(readings, reference, groups, label=label, unit=unit.split()[0].rstrip("s"))
    if not found:
        return
    rows: list[tuple[str, list[Estimate | str]]] = [
        (
            html.escape(f"{one.reader}, {'after' if one.after else 'before'} the model's opinion"),
            [one.sensitivity, f"{one.n_with:,}", one.specificity, f"{one.n_without:,}"],
        )
        for one in found
    ]
    caption = f"against the reference label, on the same slices before and after; 95 % intervals over {unit}"
    with widgets.panel(f"Readers on {label}", caption, key="accuracy"):
        figures_table(["", "Sensitivity", f"Slices {label}", "Specificity", "Other slices"], rows)


def _draw_disagreements(run: RunInfo, readings: pd.DataFrame, reference: dict[str, str]) -> None:
    found = disagreements(readings)
    if readings["reader"].nunique() < 2:
        return
    with widgets.panel("Where readers differ", "in the first label or the final one", key="differ"):
        if not len(found):
            st.caption("On every slice that more than one has read, all gave the same labels.")
            return
        index = pictures.index_of(str(run.params.get("dataset")))
        shown = pd.DataFrame(
            {
                "Slice": index["path"].reindex(found["slice_id"]).to_numpy(),
                "Open": [predict_link(run, slice_id) for slice_id in found["slice_id"]],
                "Reference": [reference.get(slice_id, "") for slice_id in found["slice_id"]],
                "Model": found["model_label"].fillna("").to_numpy(),
            }
        )
        readers = found.drop(columns=["slice_id", "model_label"]).fillna("").add_prefix("Reader ")
        with st.container(key="review-differ"):
            st.dataframe(
                pd.concat([shown, readers], axis=1),
                hide_index=True,
                column_config={"Open": st.column_config.LinkColumn(display_text="Predict")},
            )


def _influence_tiles(readings: pd.DataFrame, reference: dict[str, str], *, excluded: int) -> None:
    found = influence(readings, reference)
    of_all = f"of {found.n:,} readings"
    widgets.tiles(
        [
            widgets.Tile("Readings", f"{found.n:,}", "with both labels, an opinion and a reference"),
            widgets.Tile("Unchanged", f"{found.unchanged:,}", of_all),
            widgets.Tile("Wrong, then right", f"{found.helped:,}", "after the model's opinion"),
            widgets.Tile("Right, then wrong", f"{found.harmed:,}", "after the model's opinion"),
            widgets.Tile("Changed otherwise", f"{found.changed_otherwise:,}", "from wrong to wrong"),
            widgets.Tile(
                "Followed it into error",
                f"{found.followed_wrong:,}",
                "of those changed: took the model's wrong label",
            ),
        ]
    )
    left_out = {"of slices that were excluded on Explore": excluded, **found.left_out}
    parts = [f"{count:,} {reason}" for reason, count in left_out.items() if count]
    if parts:
        st.caption(f"Left out: {', '.join(parts)}.")
