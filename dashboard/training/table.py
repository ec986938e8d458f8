"""The table of runs: validation only. A test part is opened on the Evaluate page, one run at a time."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.training.queue import attempt
from pipeline.differences import what_differs
from pipeline.run_info import ARCHIVED_TAG, NOTE_TAG, STAR_TAG
from pipeline.runs import RunStore

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

MOST_CHOSEN = 10
SORTS = {
    "newest": "newest first",
    "best_val_auc": "validation AUC",
    "best_val_accuracy": "validation accuracy",
    "best_val_loss": "validation loss",
}
ALL = "all"
_SHOWN_ROWS = 8
_FIXED = (
    "dataset",
    "architecture",
    "image_size",
    "weights",
    "epochs",
)  # settings, where not those that differ
_NAMES = {"dataset": "data", "image_size": "size"}


def chosen_runs(runs: Sequence[RunInfo]) -> list[RunInfo]:
    """Return the runs to draw: those chosen in the table, else the one in the link, else the newest."""
    by_id = {run.id: run for run in runs}
    chosen = [by_id[key] for key in st.session_state.get("train.chosen", []) if key in by_id]
    if chosen:
        return chosen[:MOST_CHOSEN]
    linked = widgets.recall("run")
    shown = [run for run in runs if not run.archived] or list(runs)
    return [by_id[linked]] if linked in by_id else shown[:1]


def choose(run_ids: Sequence[str]) -> None:
    """Choose the runs to draw from elsewhere than the table, which then shows them as chosen."""
    st.session_state["train.chosen"] = list(run_ids)[:MOST_CHOSEN]
    st.session_state["train.choice"] = st.session_state.get("train.choice", 0) + 1
    widgets.remember("run", run_ids[0] if len(run_ids) == 1 else None)


def draw_table(runs: Sequence[RunInfo]) -> None:
    """Draw the runs that the filters leave, and take the user's choice."""
    shown, differing = _draw_filters(runs)
    if not shown:
        st.caption("No run fits these filters.")
        return
    settings = what_differs(shown) if differing and len(shown) > 1 else None
    table = pd.DataFrame([_row(run) for run in shown])
    for place, (key, values) in enumerate(_settings(shown, settings).items(), list(table).index("val AUC")):
        table.insert(place, key if key not in table else f"{key} (setting)", values)
    chosen = [run.id for run in chosen_runs(runs)]
    default: Any = {"selection": {"rows": [place for place, run in enumerate(shown) if run.id in chosen]}}
    # Other rows, or a choice from elsewhere: the table begins anew with the choice as it is.
    state = (st.session_state.get("train.choice", 0), *(run.id for run in shown))
    event = st.dataframe(
        table,
        key=f"train-table-{hash(state) & 0xFFFFFFFF:x}",
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default=default,
        placeholder="-",
        height="content" if len(shown) <= _SHOWN_ROWS else 300,
        column_config=_columns(),
    )
    picked = [shown[place].id for place in event["selection"]["rows"] if place < len(shown)]
    if picked and set(picked) != set(chosen):
        st.session_state["train.chosen"] = picked[:MOST_CHOSEN]
        widgets.remember("run", picked[0] if len(picked) == 1 else None)
        if len(picked) > MOST_CHOSEN:
            st.toast(f"The first {MOST_CHOSEN} of {len(picked)} are drawn.")
        st.rerun()


def draw_labels(runs: Sequence[RunInfo]) -> None:
    """Draw what the user may say of the chosen runs: a star, away with it, a name, a note."""
    store = RunStore(loaders.workspace())
    ids = [run.id for run in runs]
    starred, archived = all(run.starred for run in runs), all(run.archived for run in runs)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train-labels"):
        what = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
        st.html(f'<span class="t-chosen">{html.escape(what)}</span>', width="content")
        st.button(
            "Take the star away" if starred else "Star",
            key="train-star",
            icon=":material/star:",
            type="tertiary",
            on_click=lambda: attempt(_label, store, ids, STAR_TAG, "" if starred else "true"),
        )
        st.button(
            "Bring back" if archived else "Archive",
            key="train-archive",
            icon=":material/unarchive:" if archived else ":material/archive:",
            type="tertiary",
            help="Archived runs are left out of the table; nothing of them is deleted.",
            on_click=lambda: attempt(_label, store, ids, ARCHIVED_TAG, "" if archived else "true"),
        )
        if len(runs) == 1:
            with st.popover("Name and note", icon=":material/edit:", type="tertiary", key="train-words"):
                _draw_words(store, runs[0])
    if st.session_state.pop("train.labelled", False):
        st.rerun()


def _draw_words(store: RunStore, run: RunInfo) -> None:
    with st.form(f"train-words-{run.id}", border=False):
        name = st.text_input("Name", run.name)
        note = st.text_area("Note", run.note, height=110)
        if st.form_submit_button("Keep", type="primary"):
            attempt(_write_words, store, run, name.strip(), note.strip())
            st.rerun()


def _write_words(store: RunStore, run: RunInfo, name: str, note: str) -> None:
    if note != run.note:
        store.label(run.id, NOTE_TAG, note)
    if name != run.name:
        store.rename(run.id, name)


def _label(store: RunStore, run_ids: Sequence[str], key: str, value: str) -> None:
    for run_id in run_ids:
        store.label(run_id, key, value)
    st.session_state["train.labelled"] = True  # the table, which is drawn elsewhere, shows it too


def _draw_filters(runs: Sequence[RunInfo]) -> tuple[list[RunInfo], bool]:
    """Draw the filters; return the runs that they leave, in order, and whether to show what differs only."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="train-filters"):
        text = st.text_input(
            "Search",
            key="train.filter.text",
            width=160,
            placeholder="name, note, setting",
            persist_state="session",
        )
        dataset = _choice("Data set", "dataset", [run.params.get("dataset", "") for run in runs])
        status = _choice("Status", "status", [run.status for run in runs])
        order = st.selectbox(
            "Sort by", list(SORTS), format_func=SORTS.__getitem__, key="train.sort", width=150,
            persist_state="session", help="By validation only: choosing by the test part would use it up.",
        )  # fmt: skip
        differing = st.checkbox(
            "Only what differs", key="train.differs", persist_state="session",
            help="Of all settings those that are not the same in all the runs shown.",
        )  # fmt: skip
        starred = st.checkbox("Starred", key="train.filter.starred", persist_state="session")
        archived = st.checkbox("Archived too", key="train.filter.archived", persist_state="session")
    shown = [
        run
        for run in runs
        if (archived or not run.archived)
        and (run.starred or not starred)
        and dataset in (ALL, run.params.get("dataset", ""))
        and status in (ALL, run.status)
        and _mentions(run, text)
    ]
    return _sorted(shown, str(order)), differing


def _choice(label: str, name: str, values: Sequence[str]) -> str:
    key = f"train.filter.{name}"
    options = [ALL, *sorted(set(filter(None, values)))]
    if st.session_state.get(key) not in options:
        st.session_state[key] = ALL
    return str(st.selectbox(label, options, key=key, width=112, persist_state="session"))


def _mentions(run: RunInfo, text: str) -> bool:
    """Whether each word of `text` stands in the run's name, note or settings."""
    said = " ".join([run.name, run.note, run.id, *run.params.values()]).lower()
    return all(word in said for word in text.lower().split())


def _sorted(runs: list[RunInfo], order: str) -> list[RunInfo]:
    """Return the runs best first; those without the figure last, newest first among equals."""
    if order == "newest":
        return runs
    sign = 1 if order == "best_val_loss" else -1
    return sorted(runs, key=lambda run: sign * run.metrics.get(order, sign * float("inf")))


def _row(run: RunInfo) -> dict[str, object]:
    metrics = run.metrics
    return {
        "★": "★" if run.starred else "",
        "name": run.name,
        "status": run.status + (", archived" if run.archived else ""),
        "val AUC": metrics.get("best_val_auc"),
        "val accuracy": metrics.get("best_val_accuracy"),
        "val loss": metrics.get("best_val_loss"),
        "best epoch": int(metrics.get("best_epoch", 0)) or None,
        "started": run.created,
        "note": run.note,
    }


def _settings(
    runs: Sequence[RunInfo], differing: Mapping[str, list[str | None]] | None
) -> dict[str, list[str | None]]:
    """Return the columns of settings: those that differ, or the usual ones."""
    found = (
        differing if differing is not None else {key: [run.params.get(key) for run in runs] for key in _FIXED}
    )
    return {_NAMES.get(key, key.replace("_", " ")): values for key, values in found.items()}


def _columns() -> dict[str, Any]:
    figure = partial(st.column_config.NumberColumn, format="%.3f", help="on validation, at the best epoch")
    return {
        "★": st.column_config.TextColumn(width=30),
        "started": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        "size": st.column_config.TextColumn(width=48),
        "epochs": st.column_config.TextColumn(width=60),
        "best epoch": st.column_config.NumberColumn(width=84),
        "val AUC": figure(width=70),
        "val accuracy": figure(width=98),
        "val loss": figure(width=70),
    }
