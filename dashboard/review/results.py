"""What the readings say: agreement, the opinion's influence, and the readings themselves to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.evaluation.figures import figures_table
from dashboard.loaders import pictures
from dashboard.loaders import review as read
from dashboard.review.guard import draw_guard
from dashboard.review.session import Worklist
from pipeline.evaluation.estimates import Estimate
from pipeline.review.agreement import agreements, influence
from pipeline.review.readings import export_csv, export_json

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

SHOWN = {
    "reader": "Reader", "blind_label": "First label", "blind_seconds": "First, s", "model_label": "Model",
    "final_label": "Final label", "final_seconds": "Final, s", "changed": "Changed",
    "agreed": "As the model", "note": "Note", "corrections": "Corrections", "first_read_at": "Read, UTC",
}  # fmt: skip
MOST_ROWS = 15  # in view without scrolling


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
    table = read.slices(run)
    groups = dict(zip(table["slice_id"], table["group"], strict=True))
    known = bool(pictures.index_of(dataset)["patient_id"].reindex(table["slice_id"]).notna().all())
    unit = "patients" if known else "groups (patients unknown)"
    _influence_tiles(counted, reference, excluded=len(readings) - len(counted))
    caption = f"share of equal labels and Cohen's kappa, 95 % intervals over {unit}"
    with widgets.panel("Agreement", caption, key="agreement"):
        rows: list[tuple[str, list[Estimate | str]]] = [
            (
                f"{found.first} and {found.second}",
                [found.percent, found.kappa, f"{found.n:,}", f"{found.groups:,}"],
            )
            for found in agreements(counted, reference, groups)
        ]
        figures_table(["", "Equal", "Kappa", "Slices", unit.capitalize()], rows)


def draw_readings(run: RunInfo, worklist: Worklist | None) -> None:
    """Draw the readings, the state of their audit, and the exports; of a reader with an open list the own."""
    readings = read.readings(run)
    chain = read.store().verify_chain()
    if chain.intact:
        widgets.callout(
            f"{chain.rows:,} entries, each sealed together with the one before. The newest seal is "
            f"{chain.head[:12]}: with it written down, it shows later if any was taken away.",
            tone="good",
            title="Nothing was changed",
        )
    else:
        widgets.callout(str(chain.problem), tone="bad", title="The record was changed outside Hilum")
    if len(readings) and not draw_guard(run, worklist, of="the readings of others", key="readings"):
        readings = readings[readings["reader"] == (worklist.reader if worklist else None)]
    synthetic = read.is_synthetic(run)
    with st.container(horizontal=True):
        st.download_button(
            "CSV", export_csv(readings, synthetic=synthetic),
            file_name=f"readings-{run.name}.csv", mime="text/csv",
            icon=":material/download:", on_click="ignore", key="review.csv",
        )  # fmt: skip
        st.download_button(
            "JSON with audit", export_json(read.store(), readings, synthetic=synthetic),
            file_name=f"readings-{run.name}.json", mime="application/json", icon=":material/download:",
            on_click="ignore", key="review.json",
        )  # fmt: skip
    if len(readings):
        _draw_table(readings.iloc[::-1])


def _draw_table(newest: pd.DataFrame) -> None:
    """Draw readings as a table, in words and with one decimal of a second."""
    seconds = {name: newest[name].astype(float).round(1) for name in ("blind_seconds", "final_seconds")}
    texts = {name: newest[name].fillna("") for name in ("model_label", "final_label", "note")}
    meant = newest["blind_corrected_to"]
    texts["blind_label"] = newest["blind_label"].where(
        meant.isna(), newest["blind_label"] + ", meant " + meant.fillna("")
    )
    moments = newest["first_read_at"].str.slice(0, 16).str.replace("T", " ")
    shown = newest.assign(**seconds, **texts, first_read_at=moments)[list(SHOWN)].rename(columns=SHOWN)
    with st.container(key="review-table"):  # its own CSV button, which lacks the notice, is hidden
        st.dataframe(
            shown,
            hide_index=True,
            height="content" if len(shown) <= MOST_ROWS else 560,
            column_config={SHOWN[name]: st.column_config.NumberColumn(format="%.1f") for name in seconds},
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
