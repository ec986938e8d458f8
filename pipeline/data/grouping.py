"""What a split keeps together, and what it holds out whole: patients, near-copies, sources, scanners."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.groups import join_groups
from pipeline.data.table import COLUMNS
from pipeline.errors import HilumError

GROUPINGS = ("patient", "cluster", "none")
COLUMN = "column:"
# Of the index's own columns these say where a slice comes from; a CSV's further columns may too.
_ORIGINS = ("source", "manufacturer", "kernel", "format")
_MOST_VALUES = 500
_LISTED = 12


class NoPatientsError(HilumError):
    """Patients were asked for as groups, and no patient id is known."""


class UnknownGroupingError(HilumError):
    """`group_by` is none of patient, cluster, none and column:NAME."""


class HoldOutError(HilumError):
    """What was asked to be held out for the test cannot be."""


def origin_columns(index: pd.DataFrame) -> list[str]:
    """Return the columns that a split may go by: of two values at least, and not one a slice."""
    further = [name for name in index.columns if name not in COLUMNS and name != "cluster"]
    counts = {name: index[name].nunique() for name in (*_ORIGINS, *further) if name in index}
    return [name for name, count in counts.items() if 2 <= count <= min(_MOST_VALUES, len(index) // 2)]


def group_slices(index: pd.DataFrame, clusters: pd.Series, group_by: str) -> pd.Series:
    """Return what each slice must stay together with.

    Args:
        group_by: `patient`, `cluster`, `none`, or `column:NAME`: slices of one value stay together, and so do
            their patients and near-copies.

    Raises:
        NoPatientsError, UnknownGroupingError.
    """
    if group_by == "none":
        return index["slice_id"].rename("group")
    if group_by.startswith(COLUMN):
        name = group_by.removeprefix(COLUMN)
        values = _column(index, name)
        groups = join_groups(index, clusters, values)
        return _named_by_values(groups, values)
    if group_by not in GROUPINGS:
        raise UnknownGroupingError(
            f"group-by {group_by!r} is unknown; choose one of {', '.join(GROUPINGS)} or column:NAME "
            f"(columns here: {', '.join(origin_columns(index)) or 'none of several values'})."
        )
    if group_by == "patient" and not index["patient_id"].notna().any():
        raise NoPatientsError(
            "No patient id is known here (neither in a labels CSV nor in DICOM headers), so patients "
            "cannot be kept apart. Take `--group-by cluster`: near-copies then stay together, and every "
            'figure will say "patients unknown".'
        )
    return join_groups(index, clusters)


def hold_out(
    index: pd.DataFrame, groups: pd.Series, test_on: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str]]:
    """Return which slices are the test part, which are in no part, and what is to be said about it.

    A group (a patient, say) that has slices on either side would leak: its others are in no part.

    Args:
        groups: of `group_slices`.
        test_on: `COLUMN=VALUE`.

    Raises:
        HoldOutError, UnknownGroupingError.
    """
    name, sign, value = test_on.partition("=")
    if not sign:
        raise HoldOutError(
            f"What to test on is written COLUMN=VALUE, for example source=clinic-b; got {test_on!r}."
        )
    values = _column(index, name)
    tested = (values == value).fillna(False).to_numpy(dtype=bool)
    if not tested.any() or tested.all():
        known = values.dropna().value_counts().index
        listed = ", ".join(map(str, known[:_LISTED])) + (", ..." if len(known) > _LISTED else "")
        what = "No slice has" if not tested.any() else "Every slice has"
        raise HoldOutError(
            f"{what} {test_on}, so it cannot be held out for the test. Its values are: {listed}."
        )
    left_out = groups.isin(groups[tested].unique()).to_numpy() & ~tested
    notes = [f"Tested on {test_on} alone, which nothing was learnt from: figures say how the model travels."]
    if left_out.any():
        notes.append(
            f"In no part: {int(left_out.sum()):,} slices of patients or near-copies that {test_on} has too."
        )
    unknown = int(values.isna().sum())
    if unknown:
        notes.append(f"{unknown:,} slices have no {name}; they were learnt from.")
    return tested, left_out, notes


def _column(index: pd.DataFrame, name: str) -> pd.Series:
    if name not in origin_columns(index):
        raise UnknownGroupingError(
            f"The column {name!r} cannot be gone by: it is not there, has one value, or one for each slice. "
            f"Columns here: {', '.join(origin_columns(index)) or 'none'}."
        )
    return index[name].astype("str")


def _named_by_values(groups: pd.Series, values: pd.Series) -> pd.Series:
    """Return the groups under the values that they hold, `+n` where patients join n more."""
    held = values.groupby(groups.to_numpy()).agg(lambda kept: sorted(kept.dropna().unique()))
    names = {
        group: group if not kept else kept[0] + (f"+{len(kept) - 1}" if len(kept) > 1 else "")
        for group, kept in held.items()
    }
    return groups.map(names).astype("str").rename("group")
