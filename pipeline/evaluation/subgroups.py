"""The same figures where they may differ: by source, scanner, sex, lesion size, whatever is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.estimates import unknown
from pipeline.evaluation.figures import Figures, compute_figures
from pipeline.evaluation.intervals import RESAMPLES
from pipeline.evaluation.predictions import Predictions

TECHNICAL = frozenset({"manufacturer", "kernel", "modality", "format", "channels", "bit_depth"})
MOST_VALUES = 12
"""A column with more distinct texts than this names slices, it does not divide them."""
NUMBER_BINS = 3
"""A number with more values than this is cut at its terciles: each value for itself would be a few slices."""
ALIKE = 0.9
_OVER_ALL = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc")


@dataclass(frozen=True)
class Subgroup:
    """Figures of the slices where `column` is `value`.

    `against` is the class that the column describes, where it is empty for all others (a lesion's size): then
    `figures` compare that class's slices in the subgroup with all slices of other classes, and of them only
    the class's recall and AUC are figures of the subgroup.
    """

    column: str
    value: str
    figures: Figures
    against: str | None = None

    @property
    def n(self) -> int:
        """How many slices it has; of the class that it is within, where there is one."""
        return self.figures.per_class[self.against].n if self.against else self.figures.n

    @property
    def groups(self) -> int:
        """How many patients (or groups of alike slices) these slices are of."""
        return self.figures.per_class[self.against].groups if self.against else self.figures.groups

    def size_text(self, unit: str) -> str:
        """Say what its figures rest on.

        `unit` is what a group is called: `n = 60 slices of 5 patients`, or
        `n = 8 slices of 4 patients, against 128 others`.
        """
        people = f"{self.groups:,} {unit}{'' if self.groups == 1 else 's'}"
        others = f", against {self.figures.n - self.n:,} others" if self.against else ""
        return f"n = {self.n:,} slice{'' if self.n == 1 else 's'} of {people}{others}"

    def to_json(self, *, drop_absent: bool = False) -> dict[str, Any]:
        """Return the subgroup's figures.

        Within a class these are that class's: `others` is how many slices it is set against, and figures
        over all classes would be those of the others.
        """
        content = self.figures.to_json(drop_absent=drop_absent)
        if self.against is None:
            return content
        content |= dict.fromkeys(_OVER_ALL, unknown(f"figures of {self.against} slices alone").to_json())
        content["auc"] = {self.against: content["auc"][self.against]}
        of_class = content["per_class"][self.against]
        content["per_class"] = {self.against: {name: of_class[name] for name in ("recall", "n", "groups")}}
        sizes = {"n": self.n, "groups": self.groups, "others": self.figures.n - self.n}
        return content | sizes | {"patients": None, "within_class": self.against}


def find_subgroups(
    predictions: Predictions, *, n_resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, list[Subgroup]]:
    """Compute the figures of every subgroup, by column; a column that does not divide is left out."""
    found = {}
    for column in sorted(predictions.subgroup_columns, key=_order):
        values, against = subgroup_values(predictions, column)
        names = sorted(values.dropna().unique(), key=_natural)
        if len(names) < 2 and column != "source":
            continue
        found[column] = [
            Subgroup(
                column,
                name,
                compute_figures(
                    predictions.select(_rows(predictions, values, name, against)),
                    n_resamples=n_resamples,
                    seed=seed,
                ),
                against,
            )
            for name in names
        ]
    return found


def subgroup_values(predictions: Predictions, column: str) -> tuple[pd.Series, str | None]:
    """Return each row's subgroup as text (missing: in none), and the one class it divides, or None for all.

    A column divides one class where nine of ten slices of the others have no value, or one and the same (a
    lesion's area of 0).
    Numbers are cut at their terciles; columns of other things than texts, numbers and truth
    values, or of too many texts, divide nothing.
    """
    values = _as_numbers(predictions.table[column])
    against = None if column == "source" else _described_class(predictions, values)
    if against is not None:
        own = predictions.y_true == predictions.labels.index(against)
        values = values.where(own & (values != _usual(values[~own])))
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        if values.nunique() > NUMBER_BINS:
            return _terciles(values), against
        return values.map(lambda number: f"{number:.4g}", na_action="ignore").astype("string"), against
    texts = values.astype("string")
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind not in ("string", "boolean", "categorical") or texts.nunique() > MOST_VALUES:
        return pd.Series(pd.NA, index=values.index, dtype="string"), None
    return texts, against


def _as_numbers(values: pd.Series) -> pd.Series:
    """Return texts that all read as numbers as numbers: a data set's further columns come as text."""
    if pd.api.types.infer_dtype(values, skipna=True) != "string":
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if numbers.notna().equals(values.notna()) else values


def _described_class(predictions: Predictions, values: pd.Series) -> str | None:
    described = []
    for place, label in enumerate(predictions.labels):
        own = predictions.y_true == place
        usual, elsewhere = _usual(values[~own]), values[~own]
        alike = elsewhere.isna() | (elsewhere == usual).fillna(False)
        if own.any() and alike.mean() >= ALIKE and values[own][values[own] != usual].nunique() >= 2:
            described.append(label)
    return described[0] if len(described) == 1 else None


def _usual(values: pd.Series) -> Any:
    """Return the commonest value, None where there is none."""
    counts = values.value_counts()
    return counts.index[0] if len(counts) else None


def _terciles(values: pd.Series) -> pd.Series:
    edges = np.unique(np.quantile(values.dropna().to_numpy(float), np.linspace(0, 1, NUMBER_BINS + 1)))
    names = np.array(
        [f"{_short(low)} to {_short(high)}" for low, high in zip(edges[:-1], edges[1:], strict=True)], object
    )
    place = np.clip(np.searchsorted(edges, values.to_numpy(float), "left") - 1, 0, len(names) - 1)
    return pd.Series(names[place], index=values.index, dtype="string").where(values.notna())


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _rows(predictions: Predictions, values: pd.Series, name: str, against: str | None) -> np.ndarray:
    rows = (values == name).fillna(False).to_numpy(bool)
    if against is not None:
        rows = rows | (predictions.y_true != predictions.labels.index(against))
    return rows


def _order(column: str) -> int:
    """Sort columns: the source first, how files are stored last."""
    return 0 if column == "source" else 2 if column in TECHNICAL else 1


def _natural(name: str) -> tuple[float, str]:
    """Sort ranges by their lower edge and texts by their letters."""
    try:
        return float(name.split(" to ")[0]), name
    except ValueError:
        return float("inf"), name
