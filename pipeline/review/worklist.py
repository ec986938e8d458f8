"""Which slices a reader sees, in an order that tells nothing: by a hash of seed and slice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.data.decisions import load_decisions
from pipeline.errors import HilumError
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace


class WorklistEmptyError(HilumError):
    """A run whose split has no test slices."""


@dataclass(frozen=True)
class OpenList:
    """A list that a reader began and did not finish.

    `size` is what was asked for, `total` what is to be read without excluded slices, `done` what has its
    final label.
    """

    reader: str
    seed: int
    size: int
    total: int
    done: int


def name_worklist(seed: int, size: int) -> str:
    """Return what a list is called in the record: who has the seed can make it again."""
    return f"seed {seed}, {size} slices"


def open_lists(
    readings: pd.DataFrame, slice_ids: Sequence[str], *, excluded: Collection[str] = ()
) -> list[OpenList]:
    """Return the lists of one run that are not read to the end, the one that was read last first.

    Args:
        readings: of the run, as `load_readings` gives them.
        slice_ids: the run's test slices, from which its lists are built.
        excluded: those that were excluded from the data set.
    """
    found = []
    newest = readings.groupby(["reader", "worklist"])["first_read_at"].max().sort_values(ascending=False)
    for reader, name in newest.index:
        parts = re.fullmatch(r"seed (\d+), (\d+) slices", str(name))
        if parts is None:
            continue
        seed, size = int(parts[1]), int(parts[2])
        slices = build_worklist(slice_ids, seed=seed, size=size, excluded=excluded)
        own = readings[(readings["reader"] == reader) & readings["final_label"].notna()]
        done = int(pd.Series(slices, dtype=object).isin(own["slice_id"]).sum())
        if done < len(slices):
            found.append(OpenList(str(reader), seed, size, len(slices), done))
    return found


def build_worklist(
    slice_ids: Iterable[str], *, seed: int = 0, size: int | None = None, excluded: Collection[str] = ()
) -> list[str]:
    """Return the slices in the order they are read; the same seed gives the same order, on any machine.

    A longer list begins with the shorter one. An excluded slice drops out and no other takes its place: so a
    list stays what it was, less that slice, for all of its readers.

    >>> build_worklist(["a", "b", "c"], seed=1) == build_worklist(["c", "a", "b"], seed=1)
    True
    """
    ordered = sorted(
        set(slice_ids), key=lambda slice_id: hashlib.sha256(f"{seed}:{slice_id}".encode()).digest()
    )
    return [slice_id for slice_id in ordered[:size] if slice_id not in excluded]


def excluded_slices(workspace: Workspace, run: RunInfo) -> frozenset[str]:
    """Return the slices that were excluded from a run's data set: no list and no figure has them."""
    dataset = run.params.get("dataset")
    return load_decisions(workspace, str(dataset)).excluded if dataset else frozenset()


def reading_slices(run: RunInfo) -> pd.DataFrame:
    """Return the test slices of the split that a run was trained on: `slice_id`, `group`.

    Labels are not among the columns: whoever builds a worklist needs none.

    Raises:
        WorklistEmptyError: the split has no test part.
    """
    table = pd.DataFrame(run.load_split().get("table", {}))
    test = table[table["part"] == "test"] if "part" in table else table.iloc[:0]
    if not len(test):
        raise WorklistEmptyError(
            f"The split of {run.name} has no test slices to read. Make a split with a test part and train on "
            f"it: `python -m pipeline split {run.params.get('dataset', 'NAME')}`."
        )
    return test[["slice_id", "group"]].reset_index(drop=True)
