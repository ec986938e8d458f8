"""What the right side of the Train page reads: curves, what waits, figures of runs, sweeps, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import streamlit as st

from dashboard.charts.train import RunCurves
from dashboard.loaders.shared import runs as all_runs
from dashboard.loaders.shared import stamp, workspace
from pipeline.curves import CurveReader
from pipeline.errors import user_errors
from pipeline.jobs import Job
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.evaluation.compare import Comparison
    from pipeline.evaluation.figures import Figures
    from pipeline.runs import RunInfo
    from pipeline.training.config import TrainConfig
    from pipeline.training.sweeps import Sweep


def curves(run: RunInfo, metrics: Sequence[str]) -> RunCurves:
    """Return what there is to draw of `metrics` of a run; only new points are read of one that goes on."""
    reader = _reader(str(workspace().root))
    steps = int(run.params.get("steps_per_epoch", 0))
    read = {metric: reader.read(run.id, metric) for metric in metrics}
    config = config_of(run)
    return RunCurves(
        name=run.name,
        epochs=_epochs(run),
        batches={metric: curve for metric, curve in read.items() if len(curve)},
        steps_per_epoch=steps,
        best_epoch=int(run.metrics.get("best_epoch", 0)),
        ended_early=run.tags.get("ending") == "early",
        stages=_stage_marks(config) if config is not None else (),
        rates=_rates(config, steps) if config is not None and steps else None,
    )


def config_of(run: RunInfo) -> TrainConfig | None:
    """Return a run's configuration; None where an earlier version or another program wrote it."""
    from pipeline.training.config import make_config

    try:
        return make_config(run.load_config())
    except user_errors():
        return None


def seconds_of(job: Job, run: RunInfo | None) -> float | None:
    """Return about how long all epochs of a waiting training will take; None where nothing is known."""
    from pipeline.training.waiting import config_of as config_of_job

    try:
        config = config_of_job(job, run)
        return None if config is None else _seconds(str(workspace().root), config.model_dump_json())
    except user_errors():
        return None


def memory_of(job: Job) -> int | None:
    """Return the bytes of memory that a job's process holds now; None where it is gone or elsewhere."""
    try:
        return None if job.pid is None else int(psutil.Process(job.pid).memory_info().rss)
    except psutil.Error:
        return None


def figures(run: RunInfo) -> Figures:
    """Return a run's figures on validation, with intervals.

    Raises:
        HilumError: it has no predictions of its validation part.
    """
    table = run.artifacts / "predictions" / "val.parquet"
    return _figures(str(workspace().root), run.id, (stamp(table), _decided(run)))


def difference(run: RunInfo, other: RunInfo) -> Comparison:
    """Return the comparison of two runs on the validation slices that both have.

    Raises:
        NotComparableError: they have none, or other classes.
    """
    from dashboard.loaders.evaluate import comparison

    return comparison(run, other, "val")


def sweeps() -> list[Sweep]:
    """Return the sweeps of the workspace, newest first."""
    from pipeline.training.sweeps import list_sweeps

    return list_sweeps(workspace())


def sweep_table(sweep: Sweep) -> dict[str, Any]:
    """Return how a sweep stands: its trials on validation, and over seeds or folds."""
    from pipeline.training.sweep_table import sweep_table as read

    return read(workspace(), sweep, intervals=False)


@st.cache_resource(show_spinner=False)
def _reader(root: str) -> CurveReader:
    from pipeline.runs import RunStore

    return CurveReader(RunStore(Workspace.open(root)))


def _epochs(run: RunInfo) -> pd.DataFrame:
    from pipeline.runs import RunStore

    if run.status in ("running", "queued"):
        return RunStore(workspace()).history(run.id)
    return _ended_epochs(str(workspace().root), run.id, (str(run.ended), run.status))


@st.cache_data(show_spinner=False, max_entries=64)
def _ended_epochs(root: str, run_id: str, marks: tuple[str, str]) -> pd.DataFrame:
    from pipeline.runs import RunStore

    return RunStore(Workspace.open(root)).history(run_id)


def _stage_marks(config: TrainConfig) -> list[tuple[int, str]]:
    """Return where a stage begins, if it is not the first, and what changes there."""
    from pipeline.training.stages import stages_of

    stages = stages_of(config)
    marks = []
    for before, stage in zip(stages, stages[1:], strict=False):
        what = "whole network" if config.unfreeze == "all" else f"top {config.unfreeze} blocks"
        parts = [what] if stage.learns != before.learns else []
        if config.sizes and (parts or stage.image_size != before.image_size):
            parts.append(f"{stage.image_size} px")
        marks.append((stage.first, ", ".join(parts)))
    return [*marks, *((first, f"{end - first} epochs more") for first, end in config.extensions)]


@st.cache_data(show_spinner=False, max_entries=64)
def _planned(config: str, steps_per_epoch: int) -> tuple[Any, Any]:
    from pipeline.training.config import TrainConfig
    from pipeline.training.rates import planned_rates

    return planned_rates(TrainConfig.model_validate_json(config), steps_per_epoch=steps_per_epoch)


def _rates(config: TrainConfig, steps_per_epoch: int) -> tuple[Any, Any]:
    return _planned(config.model_dump_json(), steps_per_epoch)


@st.cache_data(show_spinner=False, max_entries=256, ttl=600)
def _seconds(root: str, config: str) -> float | None:
    from pipeline.training.config import TrainConfig
    from pipeline.training.waiting import expected_seconds

    finished = [run for run in all_runs() if run.status == "finished"]
    return expected_seconds(Workspace.open(root), TrainConfig.model_validate_json(config), finished)


@st.cache_resource(show_spinner="Resampling patients", max_entries=64)
def _figures(root: str, run_id: str, marks: tuple[float, float]) -> Figures:
    from pipeline.evaluation.evaluate import load_part
    from pipeline.evaluation.figures import compute_figures
    from pipeline.runs import RunStore

    opened = Workspace.open(root)
    return compute_figures(load_part(opened, RunStore(opened).find(run_id), "val"))


def _decided(run: RunInfo) -> float:
    dataset = run.params.get("dataset")
    return stamp(workspace().dataset_dir(dataset) / "decisions.jsonl") if dataset else 0.0
