"""How good a run is: a table of predictions in, figures with intervals and a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import HilumError
from pipeline.evaluation.calibration import CalibrationFigures, calibration_figures
from pipeline.evaluation.calling import Calling, find_callings
from pipeline.evaluation.circumstances import circumstances_of_dataset, circumstances_of_part
from pipeline.evaluation.conformal import Coverage, measure_coverage
from pipeline.evaluation.enrich import with_index_columns
from pipeline.evaluation.exclusions import without_excluded
from pipeline.evaluation.external import predict_dataset
from pipeline.evaluation.figures import Figures, compute_figures
from pipeline.evaluation.gating import with_refusals
from pipeline.evaluation.intervals import LEVEL, RESAMPLES, Resamples, draw_resamples
from pipeline.evaluation.openings import record_opening
from pipeline.evaluation.predictions import Predictions, focus_class, load_predictions
from pipeline.evaluation.subgroups import Subgroup, find_subgroups
from pipeline.evaluation.subject import describe_model
from pipeline.evaluation.verdict import Circumstances, Verdict, judge
from pipeline.inference.calibrated import Calibration, load_calibration
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace

PARTS = ("train", "val", "calibration", "test")


class PartMissingError(HilumError):
    """A run has no predictions of this part."""


@dataclass(frozen=True)
class Evaluation:
    """All that was found about one run on one set of slices.

    Attributes:
        run: the run's name; `run_id` its id.
        data: what it was evaluated on, in words.
        figures: of every slice, refused by the gate or not.
        gated: of the slices that the gate lets in; None where the table has no gate.
        subgroups: by column.
        callings: how well the class that a clinician asks about first is called, by each rule.
        coverage: how often the conformal sets held the right class; None where the run has none.
        model: what was tested, in words by name; empty for a table without a run.
        circumstances: what the verdict rests on beside the figures.
    """

    run: str
    run_id: str
    data: str
    predictions: Predictions
    resamples: Resamples
    seed: int
    figures: Figures
    gated: Figures | None
    calibration: CalibrationFigures
    subgroups: dict[str, list[Subgroup]]
    circumstances: Circumstances
    verdict: Verdict
    callings: tuple[Calling, ...] = ()
    coverage: Coverage | None = None
    model: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that are shown: those of the model, without those that another data set lacks."""
        absent = self.figures.absent if self.circumstances.external else ()
        return tuple(label for label in self.figures.labels if label not in absent)

    @property
    def is_synthetic(self) -> bool:
        """Whether the slices or the model come from the phantom generator."""
        return bool(self.circumstances.synthetic) or self.circumstances.synthetic_model

    def to_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` prints."""
        drop = self.circumstances.external
        figures = self.figures.to_json(drop_absent=drop)
        by_column = {
            column: {group.value: group.to_json(drop_absent=drop) for group in groups}
            for column, groups in self.subgroups.items()
        }
        predictions = self.predictions
        return {
            "run": self.run,
            "run_id": self.run_id,
            "data": self.data,
            "part": self.circumstances.part,
            **figures,
            "patients_known": predictions.patients_known,
            "rejected": self.circumstances.rejected,
            "without_rejected": self.gated.to_json(drop_absent=drop) if self.gated else None,
            "by_source": by_column.pop("source", {}),
            "subgroups": by_column,
            "calibration": {
                "calibrated": self.circumstances.calibrated,
                "ece": self.calibration.ece.to_json(),
                "ece_by_class": {name: one.to_json() for name, one in self.calibration.by_class.items()},
                "brier": self.calibration.brier.to_json(),
                "log_loss": self.calibration.log_loss.to_json(),
            },
            "calling": {
                "class": self.callings[0].label if self.callings else None,
                "rules": [calling.to_json() for calling in self.callings],
            },
            "conformal": self.coverage.to_json() if self.coverage is not None else None,
            "confusion": {"labels": list(self.figures.labels), "matrix": self.figures.confusion.tolist()},
            "left_out": {
                "classes": list(self.figures.absent),
                "unknown_labels": predictions.unknown_labels,
                "unlabelled": predictions.unlabelled,
                "excluded": predictions.excluded,
            },
            "interval": {
                "level": LEVEL,
                "method": "bootstrap over groups, expanded percentiles",
                "unit": predictions.unit,
                "resamples": len(self.resamples.weights),
                "seed": self.seed,
            },
            "model": dict(self.model),
            "openings": self.circumstances.openings,
            "synthetic": self.is_synthetic,
            "verdict": self.verdict.to_json(),
            "notice": NOTICE,
        }


def evaluate_table(
    predictions: Predictions,
    *,
    run: str = "table",
    run_id: str = "",
    data: str = "table",
    circumstances: Circumstances | None = None,
    fitted: Calibration | None = None,
    model: Mapping[str, str] | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a table of predictions, whoever made it.

    `fitted` is the calibration of its run, `model` what the report says of the model.
    """
    resamples = draw_resamples(predictions.groups, n_resamples=n_resamples, seed=seed, unit=predictions.unit)
    figures = compute_figures(predictions, resamples=resamples)
    calibration = calibration_figures(predictions, resamples)
    subgroups = find_subgroups(predictions, n_resamples=n_resamples, seed=seed)
    known = replace(
        circumstances or Circumstances(),
        patients_known=predictions.patients_known,
        without_patient=int(predictions.table["patient_id"].isna().sum()),
        rejected=int(predictions.rejected.sum()) if predictions.has_gate else None,
    )
    return Evaluation(
        run=run,
        run_id=run_id,
        data=data,
        predictions=predictions,
        resamples=resamples,
        seed=seed,
        figures=figures,
        gated=_gated_figures(predictions, figures, n_resamples=n_resamples, seed=seed),
        calibration=calibration,
        subgroups=subgroups,
        circumstances=known,
        model=model or {},
        verdict=judge(figures, calibration=calibration, subgroups=subgroups, circumstances=known),
        callings=find_callings(
            predictions,
            focus_class(predictions.labels),
            resamples,
            point=fitted.operating_point if fitted is not None else None,
        ),
        coverage=None
        if fitted is None or fitted.conformal is None
        else measure_coverage(predictions, fitted.conformal, fitted.basis, resamples),
    )


def _gated_figures(
    predictions: Predictions, figures: Figures, *, n_resamples: int, seed: int
) -> Figures | None:
    if not predictions.has_gate:
        return None
    if not predictions.rejected.any():
        return figures
    if predictions.rejected.all():
        return None
    return compute_figures(predictions.select(~predictions.rejected), n_resamples=n_resamples, seed=seed)


def evaluate_run(
    workspace: Workspace,
    run: str,
    *,
    part: str = "test",
    dataset: str | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate a run on a part of its own split, or on another indexed data set.

    Evaluating on `test` opens the test part: it is logged and counted (`openings.py`). So does another data
    set that holds slices of it.

    Args:
        workspace: where the run lies.
        run: id, beginning of an id, name, or `demo`.
        part: `train`, `val`, `calibration` or `test`.
        dataset: name of another indexed data set; `part` is then ignored.
        n_resamples: bootstrap draws.
        seed: of the draws.
        progress: told how far the work is.

    Raises:
        PartMissingError: the run has no predictions of this part.
        PredictionsError: its table breaks the contract.
    """
    info = RunStore(workspace).find(run)
    options: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed, "progress": progress}
    if dataset is not None:
        found = evaluate_dataset(workspace, info, dataset, **options)
        if (found.circumstances.own_slices or 0) > (found.circumstances.shared_slices or 0):
            record_opening(workspace, info, n=len(found.predictions), by=f"data set {dataset}")
        return found
    if part == "test":
        record_opening(workspace, info, n=len(load_part(workspace, info, part)), by="command")
    return evaluate_part(workspace, info, part, **options)


def evaluate_part(
    workspace: Workspace, run: RunInfo, part: str, *, progress: Progress = no_progress, **options: int
) -> Evaluation:
    """Evaluate a run on a part of its own split, logging nothing: who shows a test part logs that first.

    `options` are `n_resamples` and `seed`; see `evaluate_run`.
    """
    name = run.params.get("dataset")
    predictions = with_refusals(workspace, name, load_part(workspace, run, part), progress=progress)
    progress(1, 2, f"Resampling {predictions.n_groups:,} {predictions.unit}s")
    found = evaluate_table(
        predictions,
        run=run.name,
        run_id=run.id,
        data=f"{name or 'its own data set'}, part {part}",
        circumstances=circumstances_of_part(workspace, run, part, predictions),
        fitted=load_calibration(run.artifacts),
        model=describe_model(run),
        **options,
    )
    progress(2, 2, f"Evaluated {run.name} on {found.data}")
    return found


def evaluate_dataset(
    workspace: Workspace, run: RunInfo, dataset: str, *, progress: Progress = no_progress, **options: int
) -> Evaluation:
    """Evaluate a run on another indexed data set, predicting it first where that was not done yet.

    `options` are `n_resamples` and `seed`; see `evaluate_run`.
    """
    predictions = predict_dataset(workspace, run, dataset, progress=progress)
    predictions = without_excluded(workspace, dataset, predictions)
    predictions = with_refusals(workspace, dataset, predictions, progress=progress)
    progress(1, 2, f"Resampling {predictions.n_groups:,} {predictions.unit}s")
    found = evaluate_table(
        predictions,
        run=run.name,
        run_id=run.id,
        data=f"data set {dataset}",
        circumstances=circumstances_of_dataset(workspace, run, dataset, predictions),
        fitted=load_calibration(run.artifacts),
        model=describe_model(run),
        **options,
    )
    progress(2, 2, f"Evaluated {run.name} on {found.data}")
    return found


def load_part(workspace: Workspace, run: RunInfo, part: str) -> Predictions:
    """Read the predictions of one part of a run's own split, with what the index knows beside them.

    Slices that the user excluded since are left out, and counted.

    This does not count as an opening; `evaluate_run` counts.

    Raises:
        PartMissingError: there are none, with the parts there are.
    """
    folder = run.artifacts / "predictions"
    if part not in PARTS:
        raise PartMissingError(f"There is no part {part!r}; the parts are {', '.join(PARTS)}.")
    if not (folder / f"{part}.parquet").is_file():
        there = [name for name in PARTS if (folder / f"{name}.parquet").is_file()]
        raise PartMissingError(
            f"The run {run.name} ({run.status}) has no predictions of the part {part}; "
            + (f"it has {', '.join(there)}." if there else "it has none: they are made when training ends.")
        )
    dataset = run.params.get("dataset")
    predictions = without_excluded(workspace, dataset, load_predictions(folder / f"{part}.parquet"))
    return with_index_columns(workspace, dataset, predictions)
