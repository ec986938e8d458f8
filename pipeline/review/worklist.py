"""Which slices a reader sees, in an order that tells nothing: by a hash of seed and slice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pandas as pd

from pipeline.errors import HilumError
from pipeline.runs import RunInfo


class WorklistEmptyError(HilumError):
    """A run whose split has no test slices."""


def build_worklist(slice_ids: Iterable[str], *, seed: int = 0, size: int | None = None) -> list[str]:
    """Return the slices in the order they are read; the same seed gives the same order, on any machine.

    A longer list begins with the shorter one.

    >>> build_worklist(["a", "b", "c"], seed=1) == build_worklist(["c", "a", "b"], seed=1)
    True
    """
    ordered = sorted(
        set(slice_ids), key=lambda slice_id: hashlib.sha256(f"{seed}:{slice_id}".encode()).digest()
    )
    return ordered[:size]


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
