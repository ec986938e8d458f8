"""What the Evaluate page reads: evaluations of runs, and what is drawn from them, computed once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.loaders.shared import stamp, workspace
from pipeline.evaluation.calibration import ReliabilityBin, reliability
from pipeline.evaluation.calling import Calling, find_callings
from pipeline.evaluation.clinical import (
    DecisionCurve,
    PredictiveValues,
    decision_curve,
    predictive_values_of,
)
from pipeline.evaluation.curves import Curve, CurveUndefinedError, precision_recall_curve, roc_curve
from pipeline.evaluation.evaluate import Evaluation, evaluate_dataset, evaluate_part, load_part
from pipeline.evaluation.openings import count_openings, record_opening, was_opened
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.evaluation.compare import Comparison
    from pipeline.runs import RunInfo

PREVALENCES = np.geomspace(0.005, 0.6, 40)


class Findings:
    """An evaluation and its curves; a curve is computed when it is first looked at, and kept."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self._kept: dict[tuple[str, str], list[PredictiveValues]] = {}
        self._callings: dict[str, tuple[Calling, ...]] = {one[0].label: one for one in [evaluation.callings]}

    @cached_property
    def rocs(self) -> list[Curve]:
        """The ROC curves of the classes that have one."""
        return self._curves(roc_curve)

    @cached_property
    def precision_recalls(self) -> list[Curve]:
        """The precision-recall curves of the classes that have one."""
        return self._curves(precision_recall_curve)

    def reliability(self, label: str) -> list[ReliabilityBin]:
        """Return how often `label` was right, by its score."""
        found = self.evaluation
        return reliability(found.predictions, label, found.resamples)

    def decision(self, label: str) -> DecisionCurve:
        """Return the net benefit of acting on `label`."""
        found = self.evaluation
        return decision_curve(found.predictions, label, found.resamples)

    def callings(self, label: str) -> tuple[Calling, ...]:
        """Return how well `label` is called, by each rule."""
        found = self.evaluation
        if label not in self._callings:  # the operating point is of the class that has them already
            self._callings[label] = find_callings(found.predictions, label, found.resamples)
        return self._callings[label]

    def predictive(self, calling: Calling, prevalence: float) -> PredictiveValues:
        """Return PPV and NPV of calls at a prevalence."""
        return predictive_values_of(calling, prevalence, unit=self.evaluation.predictions.unit)

    def over_prevalence(self, calling: Calling) -> list[PredictiveValues]:
        """Return PPV and NPV of calls at each of PREVALENCES."""
        key = (calling.label, calling.rule)
        if key not in self._kept:
            self._kept[key] = [self.predictive(calling, float(p)) for p in PREVALENCES]
        return self._kept[key]

    def _curves(self, make: object) -> list[Curve]:
        found = []
        for label in self.evaluation.labels:
            try:
                found.append(make(self.evaluation.predictions, label, self.evaluation.resamples))  # type: ignore[operator]
            except CurveUndefinedError:
                continue
        return found


def parts_of(run: RunInfo) -> list[str]:
    """Return the parts that the run has predictions of."""
    folder = run.artifacts / "predictions"
    return [
        part for part in ("val", "test", "calibration", "train") if (folder / f"{part}.parquet").is_file()
    ]


def openings(run: RunInfo) -> tuple[int, int]:
    """Return how often this run's test part was opened, and by how many runs of its split."""
    return count_openings(workspace(), run)


def is_open(run: RunInfo) -> bool:
    """Return whether the figures of the run's test part, as they are now, were looked at before."""
    return was_opened(workspace(), run, n=test_size(run))


def open_test(run: RunInfo) -> None:
    """Log that the run's test part is looked at."""
    record_opening(workspace(), run, n=test_size(run), by="page")


def test_size(run: RunInfo) -> int:
    """Return how many slices the run's test part has, without excluded ones."""
    table = run.artifacts / "predictions" / "test.parquet"
    marks = (stamp(table), _decided(run.params.get("dataset")))
    return _test_size(str(workspace().root), run.id, marks)


@st.cache_data(show_spinner=False, max_entries=16)
def _test_size(root: str, run_id: str, marks: tuple[float, ...]) -> int:
    opened = Workspace.open(root)
    return len(load_part(opened, RunStore(opened).find(run_id), "test"))


def part_findings(run: RunInfo, part: str) -> Findings:
    """Return the evaluation of a part of the run's own split. Whoever shows a test part logs it first."""
    root = workspace().root
    table = run.artifacts / "predictions" / f"{part}.parquet"
    manifest = workspace().dataset_dir(run.params.get("dataset", "none")) / "dataset.json"
    marks = (stamp(table), stamp(manifest), _decided(run.params.get("dataset")), *openings(run))
    return _part_findings(str(root), run.id, part, marks)


def dataset_findings(run: RunInfo, dataset: str) -> Findings | None:
    """Return the evaluation on another data set, None where it was not predicted yet (a job does that)."""
    path = predictions_file(run, dataset)
    if not path.is_file():
        return None
    marks = (str(path), stamp(path), _decided(dataset))
    return _dataset_findings(str(workspace().root), run.id, dataset, marks)


def _decided(dataset: str | None) -> float:
    """Return when slices of a data set were last decided of: excluded ones are in no figure."""
    return stamp(workspace().dataset_dir(dataset) / "decisions.jsonl") if dataset else 0.0


def predictions_file(run: RunInfo, dataset: str) -> Path:
    """Return where the run's predictions for another data set lie, or will lie."""
    from pipeline.evaluation.external import predictions_path

    return predictions_path(workspace(), run, dataset)


def comparison(first: RunInfo, second: RunInfo, part: str) -> Comparison:
    """Return the comparison of two runs on a part that both have."""
    tables = [run.artifacts / "predictions" / f"{part}.parquet" for run in (first, second)]
    marks = (*map(stamp, tables), *(_decided(run.params.get("dataset")) for run in (first, second)))
    return _comparison(str(workspace().root), first.id, second.id, part, None, marks)


def comparison_on(first: RunInfo, second: RunInfo, dataset: str) -> Comparison:
    """Return the comparison of two runs on a data set of `shared_datasets`."""
    tables = [predictions_file(run, dataset) for run in (first, second)]
    marks = (*map(stamp, tables), _decided(dataset))
    return _comparison(str(workspace().root), first.id, second.id, "", dataset, marks)


def shared_datasets(first: RunInfo, second: RunInfo) -> list[str]:
    """Return the data sets on which both runs were evaluated, and that neither learnt from."""
    from pipeline.evaluation.compare import shared_datasets as find

    return find(workspace(), (first, second))


@st.cache_resource(show_spinner="Resampling patients", max_entries=6)
def _part_findings(root: str, run_id: str, part: str, marks: tuple[float, ...]) -> Findings:
    opened = Workspace.open(root)
    return Findings(evaluate_part(opened, RunStore(opened).find(run_id), part))


@st.cache_resource(show_spinner="Resampling patients", max_entries=6)
def _dataset_findings(root: str, run_id: str, dataset: str, marks: tuple[str, float, float]) -> Findings:
    opened = Workspace.open(root)
    return Findings(evaluate_dataset(opened, RunStore(opened).find(run_id), dataset))


@st.cache_resource(show_spinner="Comparing", max_entries=12)
def _comparison(
    root: str, first: str, second: str, part: str, dataset: str | None, marks: tuple[float, ...]
) -> Comparison:
    from pipeline.evaluation.compare import compare_predictions, load_on_dataset

    opened = Workspace.open(root)
    runs = [RunStore(opened).find(run_id) for run_id in (first, second)]
    tables = [
        load_part(opened, run, part) if dataset is None else load_on_dataset(opened, run, dataset)
        for run in runs
    ]
    return compare_predictions(*tables, names=(runs[0].name, runs[1].name))
