"""Dividing slices into parts and folds: by whole groups, alike in classes; says what is amiss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.allocation import allocate_groups
from pipeline.data.grouping import COLUMN, group_slices, hold_out
from pipeline.data.labels import order_labels
from pipeline.errors import HilumError

PARTS = ("train", "val", "calibration", "test")
SHARES: Mapping[str, float] = {"train": 0.60, "val": 0.15, "calibration": 0.10, "test": 0.15}
# Of a class with few groups, training gets one first, then the test that everyone will quote.
NEEDS: Mapping[str, float] = {"train": 8.0, "test": 4.0, "val": 2.0, "calibration": 1.0}
MIN_CALIBRATION_GROUPS = 2


class TooFewSlicesError(HilumError):
    """There is nothing to divide: too few readable, labelled slices or groups."""


def divide(
    index: pd.DataFrame,
    clusters: pd.Series,
    *,
    group_by: str,
    folds: int | None,
    seed: int,
    test_on: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the split's table for readable, labelled rows, and what to know about it. Writes nothing."""
    groups = group_slices(index, clusters, group_by)
    tested, notes = np.zeros(len(index), bool), list[str]()
    if test_on is not None:
        tested, left_out, notes = hold_out(index, groups, test_on)
        index, groups, tested = index[~left_out], groups[~left_out], tested[~left_out]
    units = groups[~tested].nunique()
    if units < (3 if test_on is None else 2):
        raise TooFewSlicesError(
            f"There are {int((~tested).sum())} readable, labelled slices in {units} groups to divide; at "
            "least 3 groups are needed for train, val and test, 2 beside a test part of its own. Bring more "
            "patients, label what is there (folders or a CSV), or keep less together."
        )
    group_of, counts = _count_groups(groups[~tested], index.loc[~tested, "label"])
    parts, further = _parts_for(counts, group_by)
    dealing = [part for part in parts if test_on is None or part != "test"]
    shares = np.array([SHARES[part] for part in dealing])
    needs = np.array([NEEDS[part] for part in dealing])
    dealt = allocate_groups(counts.to_numpy(), shares=shares / shares.sum(), needs=needs, seed=seed)
    part_of = np.array(dealing, object)[dealt]
    fold_of = _deal_folds(counts, part_of, folds, seed)
    table = index[["slice_id", "label", "patient_id"]].assign(group=groups, part="test", fold=-1)
    table.loc[~tested, "part"] = part_of[group_of]
    table.loc[~tested, "fold"] = fold_of[group_of]
    table = table[["slice_id", "group", "part", "fold", "label", "patient_id"]].reset_index(drop=True)
    notes += [*_unknown_patients(index, group_by), *further, *_absences(table, parts)]
    return table.astype({"part": "str", "fold": "int64"}), notes


def _unknown_patients(index: pd.DataFrame, group_by: str) -> list[str]:
    """Say how many slices have no patient id, and what that means for the parts."""
    unknown = index[index["patient_id"].isna()]
    if group_by == "none" or unknown.empty:
        return []
    ways = [f"by {group_by.removeprefix(COLUMN)}"] if group_by.startswith(COLUMN) else []
    if unknown[["study_uid", "series_uid"]].notna().any(axis=None):
        ways.append("by study or series")
    joined = " and ".join([*ways, "as near-copies"])
    many = f"{len(unknown):,} of {len(index):,} slices have no patient id: they are"
    if len(unknown) == len(index):
        many = "No slice has a patient id: slices are"
    return [f"{many} kept together only {joined}, so one patient may lie in several parts."]


def _parts_for(counts: pd.DataFrame, group_by: str) -> tuple[list[str], list[str]]:
    """Return the parts that so many groups allow, and what is to be said about it."""
    notes = []
    if group_by == "none":
        notes.append(
            "Slice-wise: slices of one patient are on both sides, so every figure measured on this split "
            "flatters the model. Use it to see by how much, not to judge."
        )
    parts = list(PARTS)
    expected = len(counts) * SHARES["calibration"]
    classes = int(((counts > 0).sum() * SHARES["calibration"] >= 1).sum())
    if round(expected) < MIN_CALIBRATION_GROUPS or classes < min(2, counts.shape[1]):
        parts.remove("calibration")
        unit = "slices" if group_by == "none" else "groups"
        notes.append(
            f"Not calibrated: {len(counts)} {unit} are too few for a calibration part of their own; it was "
            "left out, and probabilities will be called scores."
        )
    return parts, notes


def _count_groups(groups: pd.Series, labels: pd.Series) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Return each slice's row in the table of counts, and the table: slices of each class in each group."""
    group_of, names = pd.factorize(groups, sort=True)
    classes = order_labels(labels.unique())
    label_of = pd.Index(classes).get_indexer(pd.Index(labels))
    cells = np.bincount(group_of * len(classes) + label_of, minlength=len(names) * len(classes))
    return group_of, pd.DataFrame(cells.reshape(-1, len(classes)), index=names, columns=classes)


def _deal_folds(
    counts: pd.DataFrame, part_of: NDArray[np.object_], folds: int | None, seed: int
) -> NDArray[np.int64]:
    fold_of = np.full(len(counts), -1, np.int64)
    if folds is None:
        return fold_of
    open_groups = np.isin(part_of, ["train", "val"])
    if folds < 2 or open_groups.sum() < folds:
        raise TooFewSlicesError(
            f"{folds} folds were asked for, and {open_groups.sum()} groups are left outside the test part; "
            f"take 2 to {open_groups.sum()} folds."
        )
    shares = np.full(folds, 1 / folds)
    fold_of[open_groups] = allocate_groups(
        counts.to_numpy()[open_groups], shares=shares, needs=np.ones(folds), seed=seed
    )
    return fold_of


def _absences(table: pd.DataFrame, parts: list[str]) -> list[str]:
    """Say which classes are absent from which parts, and why."""
    sentences = []
    groups = table.groupby("label")["group"].nunique()
    for label in order_labels(groups.index):
        present = set(table.loc[table["label"] == label, "part"].unique())
        absent = [part for part in parts if part not in present]
        if absent:
            count = groups[label]
            plural = "s" if count != 1 else ""
            sentences.append(
                f"{label} has only {count} group{plural} and is absent from {', '.join(absent)}: nothing "
                "about it can be measured there."
            )
    return sentences
