"""A search over configurations by Optuna: its study in the workspace, and what a trial's training asks it."""

from __future__ import annotations

from typing import Any

from pipeline.run_info import SWEEP_TAG, RunInfo
from pipeline.workspace import Workspace

TRIAL_TAG = "hilum.trial"  # the trial's number in the study


def open_trial(workspace: Workspace, run: RunInfo) -> Any:
    """Return the trial of a search that `run` is, None where it is none or its search has its answer."""
    if TRIAL_TAG not in run.tags or SWEEP_TAG not in run.tags:
        return None
    return None
