"""Is one run better than another, or only luckier? Both are asked about the same slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.datasets import list_datasets, require_manifest
from pipeline.errors import HilumError
from pipeline.evaluation.delong import delong, mcnemar
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import load_part
from pipeline.evaluation.exclusions import without_excluded
from pipeline.evaluation.external import predictions_path
from pipeline.evaluation.figures import Figures, SampledFigures, compute_figures, sample_figures
from pipeline.evaluation.intervals import LEVEL, RESAMPLES, draw_resamples, estimate
from pipeline.evaluation.predictions import Predictions, load_predictions
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace


class NotComparableError(HilumError):
    """Two tables of predictions that have no slices or no classes in common."""


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same slices; every difference is the first's figure minus the second's.

    Attributes:
        n, groups: the slices that both predicted, and the units that were resampled.
        left_out: slices that only one of them predicted.
        differences: accuracy, macro_f1 and macro_auc.
        auc: by class.
        delong_p: by class; it takes slices as independent, so it is too sure where patients have many.
        only_first, only_second: slices that only one of them predicted rightly.
        mcnemar_p: likewise too sure.
    """

    first: str
    second: str
    n: int
    groups: int
    unit: str
    left_out: int
    figures: tuple[Figures, Figures]
    differences: dict[str, Estimate]
    auc: dict[str, Estimate]
    delong_p: dict[str, float | None]
    only_first: int
    only_second: int
    mcnemar_p: float

    @property
    def summary(self) -> str:
        """Which is better, by the interval of the difference of the mean AUC; or that nothing was shown."""
        found = self.differences["macro_auc"]
        if found.value is None or found.low is None or found.high is None:
            return f"Not known: {found.reason}."
        if found.low > 0:
            return f"{self.first} is better: its mean AUC is higher by {found.low:.3f} at least."
        if found.high < 0:
            return f"{self.second} is better: its mean AUC is higher by {-found.high:.3f} at least."
        return "No difference shown: the interval of the difference of mean AUC contains 0."

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as the command line prints it."""
        return {
            "first": self.first,
            "second": self.second,
            "n": self.n,
            "groups": self.groups,
            "unit": self.unit,
            "left_out": self.left_out,
            "difference": {name: found.to_json() for name, found in self.differences.items()}
            | {"auc": {label: found.to_json() for label, found in self.auc.items()}},
            "summary": self.summary,
            "if_slices_were_independent": {
                "delong_p": self.delong_p,
                "mcnemar": {
                    "only_first_right": self.only_first,
                    "only_second_right": self.only_second,
                    "p": self.mcnemar_p,
                },
            },
        }


def compare_predictions(
    first: Predictions,
    second: Predictions,
    *,
    names: tuple[str, str] = ("first", "second"),
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two tables of predictions on the slices that both have, patients drawn for both at once.

    Raises:
        NotComparableError: other classes, no common slice, or two reference labels for one slice.
    """
    left, right = _aligned(first, second, names)
    resamples = draw_resamples(left.groups, n_resamples=n_resamples, seed=seed, unit=left.unit)
    a, b = sample_figures(left, resamples), sample_figures(right, resamples)
    labels, auc = left.labels, {}
    for place, label in enumerate(labels):
        values, samples = (a.by_class["auc"][i] - b.by_class["auc"][i] for i in (0, 1))
        auc[label] = _difference(values[place], samples[:, place], a.carriers("auc", place), left.unit)
    everyone = resamples.n_groups
    differences = {
        "accuracy": _difference(
            a.accuracy[0] - b.accuracy[0], a.accuracy[1] - b.accuracy[1], everyone, left.unit
        )
    }
    for name, figure in (("macro_f1", "f1"), ("macro_auc", "auc")):
        (x, x_samples), (y, y_samples) = a.macro(figure), b.macro(figure)
        differences[name] = _difference(x - y, x_samples - y_samples, a.fewest_carriers(figure), left.unit)
    right_calls = [side.y_pred == side.y_true for side in (left, right)]
    only_first, only_second, p = mcnemar(*right_calls)
    return Comparison(
        first=names[0],
        second=names[1],
        n=len(left),
        groups=everyone,
        unit=left.unit,
        left_out=len(first) + len(second) - 2 * len(left),
        figures=(compute_figures(left, resamples=resamples), compute_figures(right, resamples=resamples)),
        differences=differences,
        auc=auc,
        delong_p=_delong_p(a, b),
        only_first=only_first,
        only_second=only_second,
        mcnemar_p=p,
    )


def compare_runs(
    workspace: Workspace, runs: Sequence[str], *, part: str = "val", dataset: str | None = None
) -> dict[str, Any]:
    """Compare runs on validation, each with the next; a test part is not opened for choosing.

    Args:
        workspace: where the runs lie.
        runs: two or more ids, beginnings of ids, or names.
        part: `val` or `calibration`.
        dataset: in place of a part, another data set on which all of them were evaluated.

    Raises:
        NotComparableError: fewer than two runs, the test part was asked for, or nothing in common.
    """
    if len(set(runs)) < 2:
        raise NotComparableError("A comparison takes two different runs or more; `runs` lists them.")
    if part == "test":
        raise NotComparableError(
            "Runs are compared on validation. Who chooses by the test part has no test part left: evaluate "
            "the chosen run alone with `python -m pipeline evaluate RUN`."
        )
    store = RunStore(workspace)
    found = [store.find(run) for run in runs]
    if dataset is None:
        tables = [load_part(workspace, run, part) for run in found]
    else:
        tables = [load_on_dataset(workspace, run, dataset) for run in found]
    names = _distinct([run.name for run in found], [run.id for run in found])
    figures = {name: compute_figures(table).to_json() for name, table in zip(names, tables, strict=True)}
    pairs = pairwise(zip(names, tables, strict=True))
    return {
        "part": part if dataset is None else None,
        "dataset": dataset,
        "runs": figures,
        "differences": [
            compare_predictions(one[1], other[1], names=(one[0], other[0])).to_json() for one, other in pairs
        ],
        "interval": {"level": LEVEL, "method": "bootstrap over groups, the same draws for both runs"},
        "notice": NOTICE,
    }


def shared_datasets(workspace: Workspace, runs: Sequence[RunInfo]) -> list[str]:
    """Return the data sets on which all runs were evaluated as they are now, and that none learnt from."""
    learnt = {run.params.get("dataset") for run in runs}
    names = [info.name for info in list_datasets(workspace) if info.name not in learnt]
    return [name for name in names if all(_kept_predictions(workspace, run, name) for run in runs)]


def load_on_dataset(workspace: Workspace, run: RunInfo, dataset: str) -> Predictions:
    """Read the predictions of a run for another data set, without slices that the user excluded since.

    Raises:
        DatasetNotFoundError: there is no such data set.
        NotComparableError: the run learnt from it, or was not evaluated on it (as it is now).
    """
    require_manifest(workspace, dataset)
    if run.params.get("dataset") == dataset:
        raise NotComparableError(
            f"{run.name} learnt from {dataset}: figures on slices that a model has seen compare nothing. "
            "Compare on validation, or on another data set."
        )
    if (path := _kept_predictions(workspace, run, dataset)) is None:
        raise NotComparableError(
            f"{run.name} was not evaluated on {dataset} as it is now. Do that first: `python -m pipeline "
            f"evaluate {run.id[:8]} --dataset {dataset}`."
        )
    return without_excluded(workspace, dataset, load_predictions(path))


def _kept_predictions(workspace: Workspace, run: RunInfo, dataset: str) -> Path | None:
    """Return where the predictions of a run for a data set lie, None where there are none."""
    folder = workspace.dataset_dir(dataset) / "predictions"
    if not any(folder.glob(f"{run.id}-*.parquet")):  # the exact name takes reading the whole index
        return None
    path = predictions_path(workspace, run, dataset)
    return path if path.is_file() else None


def _aligned(
    first: Predictions, second: Predictions, names: tuple[str, str]
) -> tuple[Predictions, Predictions]:
    """Return the common slices of both, in one order and with the classes in the first's order."""
    if set(first.labels) != set(second.labels):
        raise NotComparableError(
            f"{names[0]} knows {', '.join(first.labels)} and {names[1]} knows {', '.join(second.labels)}: "
            "only runs with the same classes can be compared."
        )
    places = {slice_id: place for place, slice_id in enumerate(second.table["slice_id"])}
    matches = np.array([places.get(slice_id, -1) for slice_id in first.table["slice_id"]], int)
    if not (matches >= 0).any():
        raise NotComparableError(
            f"{names[0]} and {names[1]} have no slice in common: they were made on different splits. Train "
            "both on one split, or evaluate both on one data set that neither learnt from, and compare them "
            "on that (`compare RUN RUN --dataset NAME`)."
        )
    left = first.select(matches >= 0)
    right = _reordered(second.select(matches[matches >= 0]), first.labels)
    if (left.y_true != right.y_true).any():
        raise NotComparableError(
            f"{int((left.y_true != right.y_true).sum())} slices have another reference label in {names[0]} "
            f"than in {names[1]}: the data set was labelled anew between them. Evaluate both again."
        )
    return left, right


def _reordered(predictions: Predictions, labels: tuple[str, ...]) -> Predictions:
    """Return the predictions with the classes in the order of `labels`."""
    order = np.array([predictions.labels.index(label) for label in labels])
    back = np.argsort(order)
    return replace(
        predictions,
        labels=labels,
        y_true=back[predictions.y_true],
        y_pred=back[predictions.y_pred],
        probabilities=predictions.probabilities[:, order],
    )


def _difference(value: Any, samples: np.ndarray, groups: int, unit: str) -> Estimate:
    return estimate(float(value), samples, groups=groups, unit=unit, bounded=False)


def _delong_p(first: SampledFigures, second: SampledFigures) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for place, label in enumerate(first.predictions.labels):
        positive = first.predictions.y_true == place
        found[label] = None
        if min(positive.sum(), (~positive).sum()) >= 2:
            scores = [side.predictions.probabilities[:, place] for side in (first, second)]
            found[label] = delong(positive, *scores).compare()[1]
    return found


def _distinct(names: list[str], ids: list[str]) -> list[str]:
    """Return names that differ: with the beginning of the id where two runs have one name."""
    return [
        f"{name} ({run_id[:8]})" if names.count(name) > 1 else name
        for name, run_id in zip(names, ids, strict=True)
    ]
