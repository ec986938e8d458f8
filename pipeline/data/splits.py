"""Splits: train, val, calibration and test, with no known patient and no near-copy in two of them.

A split is frozen: `splits/NAME.json` (who, how, hash) and `splits/NAME.parquet` (slice -> group, part, fold).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.clusters import load_clusters
from pipeline.data.datasets import load_index
from pipeline.data.decisions import load_decisions
from pipeline.data.dividing import PARTS, TooFewSlicesError, divide
from pipeline.data.grouping import (
    COLUMN,
    GROUPINGS,
    HoldOutError,
    NoPatientsError,
    UnknownGroupingError,
)
from pipeline.data.labels import order_labels
from pipeline.data.table import OK
from pipeline.data.text_columns import hash_texts, join_columns, positions_in
from pipeline.errors import HilumError
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet, checked_name, read_json

__all__ = [
    "GROUPINGS",
    "PARTS",
    "HoldOutError",
    "NoPatientsError",
    "Split",
    "UnknownGroupingError",
    "make_split",
]


class SplitExistsError(HilumError):
    """Another split has this name; splits are frozen."""


class SplitNotFoundError(HilumError):
    """No split has this name."""


@dataclass(frozen=True)
class Split:
    """A frozen split.

    Attributes:
        counts: of each part, its slices, patients, groups and labels.
        test_on: `COLUMN=VALUE` where the test part is all slices of that value and no others.
        notes: sentences that whoever uses it should read: parts left out and why, classes absent from a part.
    """

    name: str
    dataset: str
    group_by: str
    seed: int
    hash: str
    created: str
    folds: int | None
    counts: Mapping[str, Any] = field(repr=False)
    read: Callable[[], pd.DataFrame] = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    test_on: str | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """`slice_id, group, part, fold, label, patient_id`; read when it is first asked for.

        `fold` is 0 to folds - 1 outside test and calibration, else -1, and -1 everywhere without folds.
        """
        return self.read()

    def parts_of(self, slice_ids: pd.Series) -> pd.Series:
        """Return the part of each of these slices, null where the split knows it not."""
        places = positions_in(slice_ids, self.table["slice_id"])
        parts = self.table["part"].array.take(places, allow_fill=True)
        return pd.Series(parts, index=slice_ids.index, name="part")

    def parts(self, fold: int | None = None) -> pd.Series:
        """Return the part of each slice_id; with `fold`, that fold is `val` and the others are `train`."""
        parts = self.table.set_index("slice_id")["part"]
        if fold is None:
            return parts
        if not 0 <= fold < (self.folds or 0):
            raise SplitNotFoundError(
                f"The split {self.name!r} has {self.folds or 'no'} folds; fold {fold} was asked for. Make "
                f"folds with `python -m pipeline split {self.dataset} --folds 5`."
            )
        folds = self.table.set_index("slice_id")["fold"]
        return parts.mask(folds >= 0, "train").mask(folds == fold, "val")

    def to_json(self) -> dict[str, Any]:
        """Return the contract of `split --json`: each part with its slices, patients, groups and labels."""
        head = {
            key: getattr(self, key)
            for key in ("name", "dataset", "group_by", "test_on", "seed", "folds", "hash", "created")
        }
        return head | dict(self.counts) | {"notes": list(self.notes)}


def make_split(
    workspace: Workspace,
    dataset: str,
    *,
    group_by: str = "patient",
    name: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    test_on: str | None = None,
) -> Split:
    """Divide the readable, labelled slices of a data set into four parts, alike in classes; freeze it.

    Args:
        group_by: `patient` keeps a patient's slices together, near-copies too; slices without an id go by
            their near-duplicate cluster. `cluster` does the same and needs no id at all. `none` deals slices
            one by one, and says what that does to every figure. `column:NAME` keeps slices of one value of a
            column together, a source or a scanner, and their patients and near-copies too.
        name: what to call it; a name is made up otherwise. The same split under the same name is no error.
        folds: also deal everything outside test and calibration to so many folds.
        test_on: `COLUMN=VALUE`: all slices of that value, and no others, are the test part.

    Raises:
        NoPatientsError, TooFewSlicesError, SplitExistsError, UnknownGroupingError, HoldOutError.
    """
    table, notes = preview_split(
        workspace, dataset, group_by=group_by, folds=folds, seed=seed, test_on=test_on
    )
    hash = hash_table(table)
    made = Split(
        name=_free_name(workspace, dataset, name, _stem(group_by, folds, seed, test_on), hash),
        dataset=dataset,
        group_by=group_by,
        seed=seed,
        hash=hash,
        created=datetime.now(UTC).isoformat(),
        folds=folds,
        counts={part: _count_part(table, part) for part in PARTS},
        read=lambda: table,
        notes=tuple(notes),
        test_on=test_on,
    )
    _write(workspace, made)
    return made


def preview_split(
    workspace: Workspace,
    dataset: str,
    *,
    group_by: str,
    folds: int | None = None,
    seed: int = 0,
    test_on: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table and the notes of the split that `make_split` would freeze. Writes nothing.

    Slices that the user excluded are in no part.
    """
    index = load_index(workspace, dataset)
    readable = index["status"] == OK
    if not readable.any():  # before a word on patients, who are not what is missing
        raise TooFewSlicesError(
            f"None of the {len(index):,} rows of {dataset} could be read as a slice, so there is nothing to "
            f"divide. `python -m pipeline index FOLDER --name {dataset} --json` says why of each."
        )
    usable = index[readable & index["label"].notna()]
    excluded = usable["slice_id"].isin(load_decisions(workspace, dataset).excluded)
    usable = usable[~excluded]
    clusters = load_clusters(workspace, dataset).loc[usable.index]
    table, notes = divide(usable, clusters, group_by=group_by, folds=folds, seed=seed, test_on=test_on)
    count = int(excluded.sum())
    if count:
        notes = [*notes, f"In no part, because they were excluded: {count:,} slices."]
    return table, notes


def load_split(workspace: Workspace, dataset: str, name: str | None = None) -> Split:
    """Return a split by name, the newest one without a name.

    Raises:
        SplitNotFoundError: there is none.
    """
    if name is None:
        found = list_splits(workspace, dataset)
        if not found:
            raise SplitNotFoundError(
                f"The data set {dataset!r} has no split yet. Make one: `python -m pipeline split {dataset}`."
            )
        return found[0]
    path = _folder(workspace, dataset) / f"{checked_name(name)}.json"
    if not path.exists():
        names = ", ".join(split.name for split in list_splits(workspace, dataset)) or "none yet"
        raise SplitNotFoundError(f"The data set {dataset!r} has no split {name!r} (there are: {names}).")
    return _read(path)


def list_splits(workspace: Workspace, dataset: str) -> list[Split]:
    """Return the splits of a data set, newest first."""
    found = [_read(path) for path in _folder(workspace, dataset).glob("*.json")]
    return sorted(found, key=lambda split: split.created, reverse=True)


def hash_table(table: pd.DataFrame) -> str:
    """Return a hash of who is where: of slices, groups, parts and folds, in whatever order they come."""
    columns = [table[name] for name in ("slice_id", "group", "part", "fold")]
    return hash_texts(join_columns(columns, separator="\0").sort(), between="\n")


def _count_part(table: pd.DataFrame, part: str) -> dict[str, Any]:
    rows = table[table["part"] == part]
    counts = rows["label"].value_counts()
    return {
        "slices": len(rows),
        "patients": int(rows["patient_id"].nunique()),
        "groups": int(rows["group"].nunique()),
        "by_label": {label: int(counts[label]) for label in order_labels(counts.index)},
    }


def _free_name(
    workspace: Workspace,
    dataset: str,
    name: str | None,
    stem: str,
    hash: str,
) -> str:
    """Return `name` or a made-up one that no other split has; the same split may have its own name again."""
    taken = {split.name: split.hash for split in list_splits(workspace, dataset)}
    if name is not None:
        if taken.get(checked_name(name), hash) != hash:
            raise SplitExistsError(
                f"A split {name!r} of {dataset!r} exists, and splits are frozen: runs refer to them. Choose "
                f"another name."
            )
        return name
    candidates = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if taken.get(candidate, hash) == hash)


def _stem(group_by: str, folds: int | None, seed: int, test_on: str | None) -> str:
    """Return a name that says how a split was made."""
    tested = f"-test-{test_on.partition('=')[2]}" if test_on else ""
    stem = f"{group_by.removeprefix(COLUMN)}{tested}{f'-{folds}-folds' if folds else ''}-seed{seed}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:56]


def _folder(workspace: Workspace, dataset: str) -> Path:
    return workspace.dataset_dir(dataset) / "splits"


def _write(workspace: Workspace, split: Split) -> None:
    """Write the table first: the JSON is what makes it a split."""
    path = _folder(workspace, split.dataset) / split.name
    atomic_write_parquet(path.with_name(f"{split.name}.parquet"), split.table)
    atomic_write_json(path.with_name(f"{split.name}.json"), split.to_json())


def _read(path: Path) -> Split:
    head = read_json(path)
    keys = ("name", "dataset", "group_by", "seed", "hash", "created", "folds")
    table = path.with_name(f"{head['name']}.parquet")
    return Split(
        **{key: head[key] for key in keys},
        counts={part: head[part] for part in PARTS},
        read=partial(pd.read_parquet, table),
        notes=tuple(head["notes"]),
        test_on=head.get("test_on"),
    )
