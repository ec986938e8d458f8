"""How a sweep stands: its trials side by side on validation, with intervals, and over seeds or folds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pipeline.evaluation.evaluate import PartMissingError, load_part
from pipeline.evaluation.figures import compute_figures
from pipeline.evaluation.predictions import PredictionsError
from pipeline.runs import RunInfo
from pipeline.training.sweeps import TRIAL_TAG, Sweep, runs_of
from pipeline.workspace import Workspace

_OVER = ("seed", "fold")  # what a figure is averaged over; all other settings make a group


def sweep_table(workspace: Workspace, sweep: Sweep, *, intervals: bool = True) -> dict[str, Any]:
    """Return the trials of a sweep and what they come to, figures of validation only.

    Args:
        intervals: also those of accuracy and AUC of each trial that is done; a second each.
    """
    runs = runs_of(workspace, sweep)
    varied = _varied(runs)
    return {
        "id": sweep.id,
        "name": sweep.name,
        "kind": sweep.kind,
        "status": _status(sweep, runs),
        "varied": varied,
        "trials": [_row(workspace, run, varied, intervals=intervals) for run in runs],
        "summary": _summary(runs, varied),
    }


def _row(workspace: Workspace, run: RunInfo, varied: list[str], *, intervals: bool) -> dict[str, Any]:
    metrics = run.metrics
    row: dict[str, Any] = {"trial": int(run.tags.get(TRIAL_TAG, 0)) + 1, "run": run.id, "name": run.name}
    row |= {"status": run.status, "ending": run.tags.get("ending")}
    row |= {key: run.params.get(key) for key in varied}
    row |= {"epochs": int(metrics.get("epoch", 0)), "best_epoch": int(metrics.get("best_epoch", 0)) or None}
    row |= {key: metrics.get(f"best_{key}") for key in ("val_auc", "val_accuracy", "val_f1", "val_loss")}
    row |= {"parameters": run.params.get("parameters")}
    row |= {"seconds": (run.ended - run.created).total_seconds() if run.ended else None}
    return row | {"intervals": _intervals(workspace, run) if intervals else None}


def _intervals(workspace: Workspace, run: RunInfo) -> dict[str, Any] | None:
    """Return accuracy and AUC on validation, each with its interval over groups; None where not predicted."""
    if run.status not in ("finished", "stopped"):
        return None
    try:
        found = compute_figures(load_part(workspace, run, "val")).to_json()
    except (PartMissingError, PredictionsError):
        return None
    return {"accuracy": found["accuracy"], "auc": found["auc"]}


def _varied(runs: list[RunInfo]) -> list[str]:
    """Return the settings in which the trials differ."""
    keys = sorted({key for run in runs for key in run.params})
    skipped = {"parameters", "steps_per_epoch", "slices"}
    return [key for key in keys if key not in skipped and len({run.params.get(key) for run in runs}) > 1]


def _summary(runs: list[RunInfo], varied: list[str]) -> list[dict[str, Any]]:
    """Return mean and spread of the figures over seeds and folds, best mean AUC first."""
    groups: dict[str, list[RunInfo]] = {}
    settings = [key for key in varied if key not in _OVER]
    for run in runs:
        if run.status == "finished" and "best_val_auc" in run.metrics:
            groups.setdefault(json.dumps([run.params.get(key) for key in settings]), []).append(run)
    rows = []
    for key, members in groups.items():
        row: dict[str, Any] = dict(zip(settings, json.loads(key), strict=True)) | {"n": len(members)}
        for figure in ("val_auc", "val_accuracy"):
            values = [run.metrics[f"best_{figure}"] for run in members if f"best_{figure}" in run.metrics]
            row[figure] = {
                "mean": float(np.mean(values)),
                "lowest": float(min(values)),
                "highest": float(max(values)),
            }
        rows.append(row)
    return sorted(rows, key=lambda row: -row["val_auc"]["mean"])


def _status(sweep: Sweep, runs: list[RunInfo]) -> dict[str, int]:
    """Return how many trials stand how; those without a run yet are `planned`."""
    total = len(sweep.trials) or int(sweep.options.get("trials", 0))
    counts: dict[str, int] = {}
    for run in runs:
        name = "pruned" if run.tags.get("ending") == "pruned" and run.status == "stopped" else run.status
        counts[name] = counts.get(name, 0) + 1
    missing = total - len(runs)
    return counts | ({"planned": missing} if missing > 0 else {})
