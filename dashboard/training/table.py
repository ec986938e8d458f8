"""The table of runs: validation only. A test part is opened on the Evaluate page, one run at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import widgets

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

MOST_CHOSEN = 10


def chosen_runs(runs: list[RunInfo]) -> list[RunInfo]:
    """Return the runs to draw: those chosen in the table, else the one in the link, else the newest."""
    by_id = {run.id: run for run in runs}
    chosen = [by_id[key] for key in st.session_state.get("train.chosen", []) if key in by_id]
    if chosen:
        return chosen[:MOST_CHOSEN]
    linked = widgets.recall("run")
    return [by_id[linked]] if linked in by_id else runs[:1]


def draw_table(runs: list[RunInfo]) -> None:
    """Draw all runs, newest first, and take the user's choice."""
    rows = [_row(run) for run in runs]
    shown = [run.id for run in chosen_runs(runs)]
    default: Any = {"selection": {"rows": [place for place, run in enumerate(runs) if run.id in shown]}}
    # A new run moves the rows under the selection: another key begins anew from the default.
    key = f"train-table-{hash((len(runs), runs[0].id, tuple(shown))) & 0xFFFFFF:x}"
    event = st.dataframe(
        pd.DataFrame(rows),
        key=key,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default=default,
        placeholder="-",
        height="content" if len(rows) <= 8 else 300,
        column_config={
            "started": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
            "size": st.column_config.TextColumn(width=48),
            "best epoch": st.column_config.NumberColumn(width=84),
            "val AUC": st.column_config.NumberColumn(format="%.3f", width=70, help="at the best epoch"),
            "val accuracy": st.column_config.NumberColumn(format="%.3f", width=98, help="at the best epoch"),
            "val loss": st.column_config.NumberColumn(format="%.3f", width=70, help="at the best epoch"),
        },
    )
    picked = [runs[place].id for place in event["selection"]["rows"] if place < len(runs)]
    if picked and set(picked) != set(shown):
        st.session_state["train.chosen"] = picked[:MOST_CHOSEN]
        widgets.remember("run", picked[0] if len(picked) == 1 else None)
        st.rerun()


def _row(run: RunInfo) -> dict[str, object]:
    params = run.params
    metrics = run.metrics
    return {
        "name": run.name,
        "status": run.status,
        "data": params.get("dataset", ""),
        "architecture": params.get("architecture", ""),
        "size": params.get("image_size", ""),
        "weights": params.get("weights", "").split(":")[0],
        "best epoch": int(metrics.get("best_epoch", 0)) or None,
        "val AUC": metrics.get("best_val_auc"),
        "val accuracy": metrics.get("best_val_accuracy"),
        "val loss": metrics.get("best_val_loss"),
        "started": run.created,
    }
