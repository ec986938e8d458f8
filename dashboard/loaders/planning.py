"""What the form of a new training reads: folds, runs to start from, and what many trainings would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.loaders.shared import workspace
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.runs import RunInfo
    from pipeline.training.config import TrainConfig
    from pipeline.training.sweeps import TrialPlan

BEST = "weights.weights.h5"  # a run's best weights, among its files


def split_folds(dataset: str, name: str) -> int:
    """Return how many folds a split has, 0 where it has none."""
    return _split_folds(str(workspace().root), dataset, name)


@st.cache_data(show_spinner=False, max_entries=64)
def _split_folds(root: str, dataset: str, name: str) -> int:
    from pipeline.data.splits import load_split

    return load_split(Workspace.open(root), dataset, name).folds or 0


def runs_with_weights() -> list[RunInfo]:
    """Return the runs that others can start from, newest first."""
    from pipeline.runs import RunStore

    return [run for run in RunStore(workspace()).list() if (run.artifacts / BEST).is_file()]


def is_run(text: str) -> bool:
    """Return whether a run of this workspace has this id, or an id that begins so, or this name."""
    from pipeline.runs import RunStore

    return any(run.name == text or run.id.startswith(text) for run in RunStore(workspace()).list())


def first_preset() -> str:
    """Return the preset that suits this machine: one with a GPU, or one without."""
    from pipeline.training.devices import gpu_memory

    return "standard" if gpu_memory() is not None else "small-machine"


def plan_architectures(
    base: TrainConfig, *, sizes: tuple[int, ...], seeds: tuple[int, ...]
) -> list[TrialPlan]:
    """Return the trainings of all architectures with their cost; see `sweeps.plan_architectures`."""
    from pipeline.training import sweeps

    return sweeps.plan_architectures(workspace(), base, sizes=sizes, seeds=seeds)


def plan_folds(base: TrainConfig) -> list[TrialPlan]:
    """Return the trainings of all folds with their cost; see `sweeps.plan_folds`."""
    from pipeline.training import sweeps

    return sweeps.plan_folds(workspace(), base)


def has_first_weights(plan: TrialPlan) -> bool:
    """Return whether the first weights of a training of a sweep can be had."""
    from pipeline.training.problems import weights_problem

    return weights_problem(workspace(), plan.config) is None


def free_memory() -> int:
    """Return the bytes that a training may count on now."""
    from pipeline.training.estimate import available_memory

    return available_memory()
