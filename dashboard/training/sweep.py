"""Sweeps: trainings that belong together, each a table of its trials on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import watching as load
from dashboard.training.cost import duration
from dashboard.training.queue import attempt
from dashboard.training.table import MOST_CHOSEN, choose
from dashboard.training.words import LABELS, PERCENT

if TYPE_CHECKING:
    from pipeline.training.sweeps import Sweep

KINDS = {"architectures": "architectures", "folds": "folds of a split", "search": "search"}
ORDER = ("finished", "running", "queued", "pruned", "stopped", "paused", "failed", "lost", "planned")


def draw_sweeps() -> None:
    """Draw the sweep that is chosen; nothing where there is none."""
    sweeps = {sweep.id: sweep for sweep in load.sweeps()}
    if not sweeps:
        return
    with widgets.panel("Sweeps", "trainings that belong together", key="train-sweeps"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            chosen = st.selectbox(
                "Sweep",
                list(sweeps),
                format_func=lambda key: _named(sweeps[key]),
                key="train.sweep_shown",
                width=280,
            )
            sweep = sweeps[str(chosen)]
            table = load.sweep_table(sweep)
            st.html(f'<span class="t-chosen">{_counts(table["status"])}</span>', width="stretch")
            _draw_buttons(sweep, table)
        if not table["trials"]:
            st.caption("Its first trial has not begun yet.")
            return
        _draw_trials(sweep, table)
        _draw_summary(table)


def _draw_buttons(sweep: Sweep, table: dict[str, Any]) -> None:
    status = table["status"]
    done = [row["run"] for row in _ranked(sweep, table["trials"]) if row["epochs"]]
    if st.button(
        "Lay its curves over each other", key="train-sweep-show", disabled=not done,
        help=f"The best {MOST_CHOSEN}, where there are more.",
    ):  # fmt: skip
        choose(done)
        st.rerun()
    active = status.get("running", 0) + status.get("queued", 0)
    active += sum(job.active and job.argv[-1:] == [sweep.id] for job in loaders.jobs("sweep"))
    waits = sum(status.get(key, 0) for key in ("stopped", "paused", "failed", "lost", "planned"))
    if active:
        pressed = st.button(
            "Stop the sweep", key="train-sweep-stop", icon=":material/stop:",
            on_click=lambda: attempt(_stop, sweep),
            help="Stops what runs and takes out what waits; it can be resumed.",
        )  # fmt: skip
    else:
        pressed = bool(waits) and st.button(
            "Resume the sweep", key="train-sweep-resume", icon=":material/play_arrow:",
            on_click=lambda: attempt(_resume, sweep),
        )  # fmt: skip
    if pressed:
        st.rerun()


def _draw_trials(sweep: Sweep, table: dict[str, Any]) -> None:
    ranked = _ranked(sweep, table["trials"])
    best = ranked[0]["run"] if ranked and ranked[0][_monitor(sweep)] is not None else None
    rows = [
        {"": "best" if row["run"] == best else "", "trial": row["trial"], "val AUC": row["val_auc"]}
        | {"val accuracy": row["val_accuracy"], "val loss": row["val_loss"], "status": _status(row)}
        | _settings(row, table["varied"])
        | {"best epoch": row["best_epoch"], "epochs": row["epochs"]}
        | {"took": duration(row["seconds"]) if row["seconds"] else None}
        for row in table["trials"]
    ]
    figure = st.column_config.NumberColumn(format="%.3f", help="on validation, at the best epoch")
    st.dataframe(
        pd.DataFrame(rows),
        key=f"train-trials-{sweep.id}",
        hide_index=True,
        placeholder="-",
        height="content" if len(rows) <= 10 else 380,
        column_config=dict.fromkeys(("val AUC", "val accuracy", "val loss"), figure)
        | {"": st.column_config.TextColumn(width=48), "trial": st.column_config.NumberColumn(width=48)},
    )


def _settings(row: dict[str, Any], varied: Sequence[str]) -> dict[str, str | None]:
    """Return the settings in which trials differ, named and written as the form does, numbers rounded."""
    return {_label(key): None if row[key] is None else _written(key, str(row[key])) for key in varied}


def _label(key: str) -> str:
    return "Fold" if key == "fold" else LABELS.get(key, key.replace("_", " "))


def _written(key: str, text: str) -> str:
    """Write a parameter of a run, which MLflow keeps as text."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{100 * number:.3g} %" if key in PERCENT else f"{number:.4g}" if "." in text else text


def _draw_summary(table: dict[str, Any]) -> None:
    """Draw what the figures come to over seeds or folds, where any setting was trained more than once."""
    if not any(row["n"] > 1 for row in table["summary"]):
        st.caption(
            "The best of several trials is partly the luckiest: train it again with other seeds or on folds "
            "before believing small differences."
        )
        return
    rows: list[dict[str, Any]] = [
        {"n": row["n"]}
        | {
            name: f"{row[key]['mean']:.3f} ({row[key]['lowest']:.3f} to {row[key]['highest']:.3f})"
            for key, name in (("val_auc", "mean val AUC"), ("val_accuracy", "mean val accuracy"))
        }
        | _settings(row, [key for key, value in row.items() if key != "n" and not isinstance(value, dict)])
        for row in table["summary"]
    ]
    st.caption("Over seeds and folds: mean, lowest and highest of n trainings (not a confidence interval)")
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", key="train-sweep-summary")


def _ranked(sweep: Sweep, trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials by the figure that chose their epochs, best first; those without one are last."""
    key = _monitor(sweep)
    sign = 1 if key == "val_loss" else -1
    return sorted(trials, key=lambda row: float("inf") if row[key] is None else sign * row[key])


def _monitor(sweep: Sweep) -> str:
    return str(sweep.base.get("monitor", "val_auc"))


def _status(row: dict[str, Any]) -> str:
    pruned = row["status"] == "stopped" and row["ending"] == "pruned"
    return "pruned (fell behind)" if pruned else str(row["status"])


def _counts(status: dict[str, int]) -> str:
    return " · ".join(f"{status[key]} {key}" for key in ORDER if status.get(key))


def _named(sweep: Sweep) -> str:
    return f"{sweep.name} · {KINDS[sweep.kind]} · {sweep.id}"


def _stop(sweep: Sweep) -> None:
    from pipeline.training.sweeps import stop_sweep

    stop_sweep(loaders.workspace(), sweep)


def _resume(sweep: Sweep) -> None:
    from pipeline.training.search import resume_search
    from pipeline.training.sweeps import go_on

    if sweep.kind == "search":
        resume_search(loaders.workspace(), sweep)
    else:
        go_on(loaders.workspace(), sweep)
