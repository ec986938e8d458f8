"""The predictions table: the one thing that evaluation reads, so it works on anyone's predictions.

    slice_id  patient_id  group  part  y_true  y_pred  logit_<class>...  probability_<class>...  and further

`y_true` and `y_pred` are class names (or whole numbers: places in the order of the probability columns).
`slice_id`, `y_true` and the probabilities must be there. Without `y_pred` it is the class of the highest
probability; without `group` it is the patient, and a slice of unknown patient stands alone; `rejected`
(boolean) are the input gate's refusals, `unlike` (boolean) those for their distance from the training slices,
which the run that predicted knows. Every further column is a subgroup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.errors import HilumError

PROBABILITY = "probability_"
LOGIT = "logit_"
RESERVED = frozenset(
    {
        "slice_id",
        "patient_id",
        "group",
        "part",
        "y_true",
        "y_pred",
        "rejected",
        "unlike",
        "content_hash",
        "perceptual_hash",
    }
)


class PredictionsError(HilumError):
    """A table of predictions that breaks the contract."""


@dataclass(frozen=True)
class Predictions:
    """A validated predictions table of n slices and k classes.

    Attributes:
        labels: the k classes that the model knows, in the order of its outputs.
        table: the rows, as they came, without those that have no usable reference label.
        y_true: (n,) place of the reference label in `labels`.
        y_pred: (n,) place of the predicted label.
        probabilities: (n, k) float64 in [0, 1], each row summing to 1.
        groups: (n,) integer code of the unit that is resampled, 0 to G - 1.
        rejected: (n,) boolean, the input gate's refusals.
        has_gate: whether the table says what the gate refused.
        patients: how many patient ids are known; 0 reads "patients unknown".
        patients_known: whether every slice has a patient id.
        unlabelled: slices left out because they have no reference label.
        unknown_labels: slices left out because the model does not know their label, by label.
        excluded: slices left out because the user excluded them from the data set.
    """

    labels: tuple[str, ...]
    table: pd.DataFrame
    y_true: np.ndarray
    y_pred: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray
    rejected: np.ndarray
    has_gate: bool
    patients: int
    patients_known: bool
    unlabelled: int
    unknown_labels: dict[str, int]
    excluded: int = 0

    def __len__(self) -> int:
        return len(self.table)

    @property
    def n_groups(self) -> int:
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    @property
    def unit(self) -> str:
        """What a group is called: `patient` where every slice's patient is known."""
        return "patient" if self.patients_known else "group"

    @property
    def subgroup_columns(self) -> list[str]:
        """The further columns, each a way to divide the slices."""
        own = {f"{prefix}{label}" for prefix in (PROBABILITY, LOGIT) for label in self.labels}
        return [str(name) for name in self.table.columns if name not in RESERVED | own]

    def logits(self) -> np.ndarray | None:
        """Return the (n, k) logits, None where the table has none."""
        names = [f"{LOGIT}{label}" for label in self.labels]
        return self.table[names].to_numpy(float) if set(names) <= set(self.table.columns) else None

    def select(self, rows: np.ndarray) -> Predictions:
        """Return the slices where the (n,) boolean `rows` is True, or those at its (m,) places."""
        table = self.table.iloc[np.flatnonzero(rows) if rows.dtype == bool else rows].reset_index(drop=True)
        known = table["patient_id"].notna()
        return replace(
            self,
            table=table,
            y_true=self.y_true[rows],
            y_pred=self.y_pred[rows],
            probabilities=self.probabilities[rows],
            groups=np.unique(self.groups[rows], return_inverse=True)[1],
            rejected=self.rejected[rows],
            patients=int(table["patient_id"].nunique()),
            patients_known=bool(known.all()),
        )


def focus_class(labels: Sequence[str]) -> str:
    """Return the class that a clinician asks about first: `positive` where there is one, else the last."""
    return "positive" if "positive" in labels else labels[-1]


def load_predictions(path: Path) -> Predictions:
    """Read a predictions table from a Parquet or CSV file.

    Raises:
        PredictionsError: it is not there, cannot be read, or breaks the contract.
    """
    if not path.is_file():
        raise PredictionsError(f"There is no predictions table {path}. Train or evaluate the run first.")
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:  # pyarrow's and pandas' own errors derive from these
        raise PredictionsError(f"{path} cannot be read as a table of predictions: {error}") from error
    return read_predictions(table)


def read_predictions(table: pd.DataFrame) -> Predictions:
    """Check a predictions table and return it in arrays; the table itself is not changed.

    Raises:
        PredictionsError: a column is missing, a slice comes twice, a probability is none, or no slice has a
            label that the model knows.
    """
    labels = _labels(table)
    _require(table, ["slice_id", "y_true"])
    twice = table["slice_id"][table["slice_id"].duplicated()]
    if len(twice):
        raise PredictionsError(
            f"{len(twice)} rows repeat a slice_id ({twice.iloc[0]!r} first): one row a slice is expected."
        )
    _checked_probabilities(table, labels)
    usable, unlabelled, unknown = _usable_rows(table, labels)
    kept = table[usable].reset_index(drop=True)
    if "patient_id" not in kept:
        kept["patient_id"] = None
    patient = kept["patient_id"]
    probabilities = kept[[f"{PROBABILITY}{label}" for label in labels]].to_numpy(float)
    has_gate = "rejected" in kept
    return Predictions(
        labels=labels,
        table=kept,
        y_true=_codes(kept["y_true"], labels),
        y_pred=_predicted(kept, labels) if "y_pred" in kept else probabilities.argmax(axis=1),
        probabilities=probabilities,
        groups=_group_codes(kept),
        rejected=kept["rejected"].fillna(False).to_numpy(bool) if has_gate else np.zeros(len(kept), bool),
        has_gate=has_gate,
        patients=int(patient.nunique()),
        patients_known=bool(patient.notna().all()),
        unlabelled=unlabelled,
        unknown_labels=unknown,
    )


def _labels(table: pd.DataFrame) -> tuple[str, ...]:
    labels = tuple(
        str(name).removeprefix(PROBABILITY) for name in table.columns if str(name).startswith(PROBABILITY)
    )
    if len(labels) < 2:
        raise PredictionsError(
            f"A predictions table has a column probability_<class> for each of two classes or more; this one "
            f"has {len(labels)} (columns: {', '.join(map(str, table.columns[:12]))})."
        )
    return labels


def _require(table: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        raise PredictionsError(
            f"The predictions table lacks {', '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns[:12]))}. Expected: slice_id, patient_id, group, part, "
            "y_true, y_pred, logit_<class>, probability_<class>."
        )


def _checked_probabilities(table: pd.DataFrame, labels: tuple[str, ...]) -> None:
    values = table[[f"{PROBABILITY}{label}" for label in labels]]
    try:
        array = values.to_numpy(float)
    except (ValueError, TypeError) as error:
        raise PredictionsError(f"A probability is not a number: {error}") from error
    wrong = ~np.isfinite(array).all(axis=1) | (array < -1e-6).any(axis=1) | (array > 1 + 1e-6).any(axis=1)
    if wrong.any():
        first = table["slice_id"].iloc[int(np.argmax(wrong))]
        raise PredictionsError(
            f"{int(wrong.sum())} rows have a probability outside [0, 1] or none at all (slice {first} "
            "first): give softmax outputs, not logits."
        )
    off = np.abs(array.sum(axis=1) - 1) > 1e-2
    if off.any():
        first = int(np.argmax(off))
        raise PredictionsError(
            f"In {int(off.sum())} rows the probabilities do not sum to 1 (slice "
            f"{table['slice_id'].iloc[first]}: {array[first].sum():.3f}): every class needs its column."
        )


def _usable_rows(table: pd.DataFrame, labels: tuple[str, ...]) -> tuple[np.ndarray, int, dict[str, int]]:
    reference = table["y_true"]
    missing = reference.isna().to_numpy()
    known = _codes(reference, labels) >= 0
    unknown = reference[~missing & ~known].astype(str).value_counts()
    if not known.any():
        found = ", ".join(sorted({str(value) for value in reference.dropna().unique()})[:8]) or "none"
        raise PredictionsError(
            f"No slice has a label that the model knows. The model knows {', '.join(labels)}; "
            f"the table's labels are {found}."
        )
    return known, int(missing.sum()), {str(label): int(count) for label, count in unknown.items()}


def _predicted(table: pd.DataFrame, labels: tuple[str, ...]) -> np.ndarray:
    codes = _codes(table["y_pred"], labels)
    if (codes < 0).any():
        raise PredictionsError(
            f"{int((codes < 0).sum())} rows predict a class without a probability column "
            f"({table['y_pred'][codes < 0].iloc[0]!r} first); there are columns for {', '.join(labels)}."
        )
    return codes


def _codes(values: pd.Series, labels: tuple[str, ...]) -> np.ndarray:
    """Return the place of each value in `labels`, -1 where it is none of them."""
    codes = pd.Index(labels, dtype="str").get_indexer(pd.Index(values.astype("str"))).astype(np.int64)
    if pd.api.types.is_integer_dtype(values) and (codes < 0).all():
        places = values.fillna(-1).to_numpy(np.int64)
        codes = np.where((places >= 0) & (places < len(labels)), places, -1)
    return np.asarray(codes)


def _group_codes(table: pd.DataFrame) -> np.ndarray:
    """Return the unit of each row that is resampled: `group`, joined with all that shares a patient.

    Without a group the patient is the unit, and a slice of unknown patient stands alone. A table whose groups
    cut a patient in pieces (a split by slices) would otherwise get intervals that are too narrow.
    """
    alone = "slice " + table["slice_id"].astype("string")
    patient = table["patient_id"].astype("string")
    group = table["group"].astype("string") if "group" in table else pd.Series(pd.NA, index=table.index)
    names = ("group " + group).fillna("patient " + patient).fillna(alone)
    codes, units = pd.factorize(names)
    patients = pd.factorize(patient)[0]
    known = patients >= 0
    links = coo_matrix(
        (np.ones(known.sum()), (codes[known], len(units) + patients[known])),
        shape=(len(units) + patients.max(initial=0) + 1,) * 2,
    )
    joined = connected_components(links, directed=False)[1]
    return np.asarray(pd.factorize(joined[codes])[0], np.int64)
