"""What averaging an answer gains, measured on validation slices that none of its networks learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cache.build import build_cache
from pipeline.errors import HilumError
from pipeline.evaluation.calibration import CalibrationFigures, calibration_figures
from pipeline.evaluation.compare import Comparison, compare_predictions
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import load_part
from pipeline.evaluation.intervals import draw_resamples, estimate
from pipeline.evaluation.predictions import PROBABILITY, Predictions, read_predictions
from pipeline.inference.averaging import Averaging, in_order, view_probabilities
from pipeline.inference.engine import Engine
from pipeline.inference.seen import FILE as SEEN_FILE
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_json, read_json

FILE = "gain.json"
LEARNT = ("train",)


class NothingToMeasureError(HilumError):
    """The gain of averaging cannot be measured."""


@dataclass(frozen=True)
class Gain:
    """The averaged answers beside the plain ones, on the same slices.

    Attributes:
        comparison: averaged minus plain.
        plain, averaged: how true the probabilities are.
        log_loss: the difference, averaged minus plain: below 0 is better.
        left_out: validation slices that one of the other networks learnt from.
    """

    run: str
    key: str
    text: str
    dataset: str
    comparison: Comparison
    plain: CalibrationFigures
    averaged: CalibrationFigures
    log_loss: Estimate
    left_out: int

    @property
    def basis(self) -> str:
        """What it was measured on, in words."""
        unit = "patients" if self.comparison.unit == "patient" else "groups of alike slices"
        return f"{self.comparison.n:,} slices of {self.comparison.groups:,} {unit} ({self.dataset}, part val)"

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `gain` prints them and a page reads them."""
        plain, averaged = (figures.macro_auc.to_json() for figures in reversed(self.comparison.figures))
        return {
            "run": self.run,
            "averaging": self.text,
            "basis": self.basis,
            "left_out": self.left_out,
            "macro_auc": {
                "plain": plain,
                "averaged": averaged,
                "difference": self.comparison.differences["macro_auc"].to_json(),
            },
            "accuracy": {"difference": self.comparison.differences["accuracy"].to_json()},
            "ece": {"plain": self.plain.ece.to_json(), "averaged": self.averaged.ece.to_json()},
            "log_loss": {
                "plain": self.plain.log_loss.to_json(),
                "averaged": self.averaged.log_loss.to_json(),
                "difference": self.log_loss.to_json(),
            },
            "notice": NOTICE,
        }


def measure_gain(
    workspace: Workspace, run: RunInfo, averaging: Averaging, *, progress: Progress = no_progress
) -> Gain:
    """Predict the run's validation part plainly and averaged, and compare.

    Raises:
        NothingToMeasureError: nothing is averaged, or the other networks learnt from all of these slices.
        PartMissingError: the run has no validation predictions.
    """
    if averaging.is_plain:
        raise NothingToMeasureError("Nothing is averaged: ask for views (`--tta 8`) or for other runs.")
    dataset = str(run.params.get("dataset"))
    part = load_part(workspace, run, "val")
    part, left_out = _unlearnt(workspace, part, averaging)
    engine = Engine.load(run)
    plain, mean = _answers(workspace, dataset, part, engine, averaging, progress)
    tables = [_with(part, values, engine.classes) for values in (mean, plain)]
    resamples = draw_resamples(tables[0].groups, unit=part.unit)
    figures = [calibration_figures(table, resamples) for table in tables]
    losses = [-np.log(np.clip(t.probabilities[np.arange(len(t)), t.y_true], 1e-12, 1)) for t in tables]
    return Gain(
        run=run.name,
        key=averaging.key,
        text=averaging.text,
        dataset=dataset,
        comparison=compare_predictions(tables[0], tables[1], names=("averaged", "plain")),
        plain=figures[1],
        averaged=figures[0],
        log_loss=_mean(losses[0] - losses[1], resamples, part),
        left_out=left_out,
    )


def keep_gain(run: RunInfo, gain: Gain) -> None:
    """Keep what was measured with the run, by what was averaged."""
    atomic_write_json(run.artifacts / FILE, known_gains(run) | {gain.key: gain.to_json()})


def known_gains(run: RunInfo) -> dict[str, Any]:
    """Return what was measured before, by what was averaged."""
    path = run.artifacts / FILE
    return dict(read_json(path)) if path.is_file() else {}


def _unlearnt(workspace: Workspace, part: Predictions, averaging: Averaging) -> tuple[Predictions, int]:
    """Leave out what one of the other networks learnt from, slices and patients."""
    kept = np.ones(len(part), bool)
    for name in averaging.names:
        path: Path = RunStore(workspace).find(name).artifacts / SEEN_FILE
        if not path.is_file():
            raise NothingToMeasureError(f"{name} does not say what it learnt from, so its gain is not known.")
        seen = pd.read_parquet(path)
        seen = seen[seen["part"].isin(LEARNT)]
        table = part.table
        kept &= ~table["slice_id"].isin(seen["slice_id"]).to_numpy()
        kept &= ~table["patient_id"].isin(seen["patient_id"].dropna()).to_numpy()
    if not kept.any():
        raise NothingToMeasureError(
            "The other networks learnt from all of these validation slices. Train them on the same split."
        )
    return part.select(kept), int((~kept).sum())


def _answers(
    workspace: Workspace,
    dataset: str,
    part: Predictions,
    engine: Engine,
    averaging: Averaging,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of each slice, plain and averaged, (n, c) each."""
    slice_ids = list(part.table["slice_id"])
    engines = [engine, *averaging.others]
    plain = np.zeros((len(part), len(engine.classes)))
    mean = np.zeros_like(plain)
    for number, each in enumerate(engines):
        cache = build_cache(workspace, dataset, each.recipe, progress)
        for place, row in enumerate(cache.rows(slice_ids)):
            views = in_order(
                view_probabilities(each, np.asarray(cache.array[row]), averaging), each, engine.classes
            )
            mean[place] += views.mean(axis=0) / len(engines)
            if number == 0:
                plain[place] = views[0]
            progress(number * len(part) + place + 1, len(engines) * len(part), "Measuring the gain")
    return plain, mean


def _with(part: Predictions, probabilities: np.ndarray, classes: tuple[str, ...]) -> Predictions:
    columns: dict[str, Any] = {
        f"{PROBABILITY}{name}": probabilities[:, place] for place, name in enumerate(classes)
    }
    columns["y_pred"] = [classes[best] for best in probabilities.argmax(axis=1)]
    return read_predictions(part.table.assign(**columns))


def _mean(values: np.ndarray, resamples: Any, part: Predictions) -> Estimate:
    drawn = resamples.sums(np.stack([values, np.ones(len(values))], axis=1))
    return estimate(
        float(values.mean()), drawn[:, 0] / drawn[:, 1], groups=part.n_groups, unit=part.unit, bounded=False
    )
