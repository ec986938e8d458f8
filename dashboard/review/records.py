"""The readings themselves: the state of their audit, the table, the exports."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import widgets
from dashboard.loaders import pictures
from dashboard.loaders import review as read
from dashboard.review.guard import draw_guard
from dashboard.review.session import Worklist
from pipeline.review.audit import SEAL_DIGITS, ChainReport
from pipeline.review.readings import export_csv, export_json, with_slices

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

SHOWN = {
    "path": "Slice", "open": "Open", "reader": "Reader", "reference": "Reference",
    "blind_label": "First label", "blind_seconds": "First, s", "model_label": "Model",
    "final_label": "Final label", "final_seconds": "Final, s", "changed": "Changed",
    "agreed": "As the model", "note": "Note", "corrections": "Corrections", "first_read_at": "Read, UTC",
}  # fmt: skip
MOST_ROWS = 15  # in view without scrolling


def draw_readings(run: RunInfo, worklist: Worklist | None) -> None:
    """Draw the readings, the state of their audit, and the exports; of a reader with an open list the own."""
    readings = read.readings(run)
    _draw_chain()
    if len(readings) and not draw_guard(run, worklist, of="the readings of others", key="readings"):
        readings = readings[readings["reader"] == (worklist.reader if worklist else None)]
    else:  # paths and reference labels are answers too
        index = pictures.index_of(str(run.params.get("dataset")))
        readings = with_slices(readings, index, read.groups(run), read.excluded(run))
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
        _draw_table(run, readings.iloc[::-1])


def _draw_chain() -> None:
    """Draw whether the record is whole, and the field that compares an earlier seal."""
    chain = read.store().verify_chain()
    if not chain.intact:
        widgets.callout(str(chain.problem), tone="bad", title="The record was changed outside Hilum")
        return
    widgets.callout(
        f"{chain.rows:,} entries, each sealed together with the one before. The newest seal is "
        f"{chain.head[:SEAL_DIGITS]}. Write it down: entered here later, it shows whether any of these "
        "entries was taken away.",
        tone="good",
        title="The chain is whole",
    )
    typed = st.text_input("Seal written down earlier", key="review.seal", width=320, max_chars=80)
    if not typed.strip():
        return
    with widgets.guarded():
        found = read.store().verify_chain(expected_head=typed)
        if found.intact:
            widgets.callout(_seal_text(found), tone="good", title="The seal is there")
        else:
            widgets.callout(str(found.problem), tone="bad", title="The seal is not there")


def _seal_text(found: ChainReport) -> str:
    since = found.rows - (found.seal_row or 0)
    added = f"{since:,} {'entry was' if since == 1 else 'entries were'} added" if since else "None was added"
    return (
        f"It is that of entry {found.seal_row:,}: nothing up to it was changed or taken away. {added} since."
    )


def _draw_table(run: RunInfo, newest: pd.DataFrame) -> None:
    """Draw readings as a table, in words and with one decimal of a second."""
    seconds = {name: newest[name].astype(float).round(1) for name in ("blind_seconds", "final_seconds")}
    texts = {name: newest[name].fillna("") for name in ("model_label", "final_label", "note")}
    meant = newest["blind_corrected_to"]
    texts["blind_label"] = newest["blind_label"].where(
        meant.isna(), newest["blind_label"] + ", meant " + meant.fillna("")
    )
    moments = newest["first_read_at"].str.slice(0, 16).str.replace("T", " ")
    shown = newest.assign(**seconds, **texts, first_read_at=moments)
    if "path" in shown:
        shown = shown.assign(open=[predict_link(run, slice_id) for slice_id in newest["slice_id"]])
    shown = shown[[name for name in SHOWN if name in shown]].rename(columns=SHOWN)
    with st.container(key="review-table"):  # its own CSV button, which lacks the notice, is hidden
        st.dataframe(
            shown,
            hide_index=True,
            height="content" if len(shown) <= MOST_ROWS else 560,
            column_config={
                **{SHOWN[name]: st.column_config.NumberColumn(format="%.1f") for name in seconds},
                SHOWN["open"]: st.column_config.LinkColumn(display_text="Predict"),
            },
        )


def predict_link(run: RunInfo, slice_id: str) -> str:
    """Return the address of the Predict page with this slice."""
    chosen = {"run": run.id, "dataset": str(run.params.get("dataset")), "slice": slice_id}
    return f"/predict?{urlencode(chosen)}"
