"""Decisions as they are typed: slices named by id or path, or all of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data.audit import load_audit
from pipeline.data.clusters import load_pairs
from pipeline.data.datasets import load_index
from pipeline.data.decisions import (
    DecisionError,
    Decisions,
    decide,
    load_decisions,
    resolve_slices,
    undo_last,
)
from pipeline.data.duplicates import connected_components
from pipeline.data.leakage import pairs_of
from pipeline.data.quality import members
from pipeline.workspace import Workspace

# Findings of copies that stand for each other; of those in two classes one is labelled wrongly.
KEEPING_ONE = ("exact-copies", "near-copies", "exact-copies-across-patients", "near-copies-across-patients")


def decide_by_name(
    workspace: Workspace,
    dataset: str,
    verdict: str,
    names: Sequence[str],
    *,
    finding: str | None = None,
    keep_one: bool = False,
) -> dict[str, Any]:
    """Keep a decision about named slices, or all open slices of a finding, and say what holds.

    Args:
        verdict: `exclude`, `fine`, `undo` (without names: the last decision), or `list`, which only reads.
        names: ids, beginnings of ids, or paths.
        finding: code of a finding: what `fine` is about; without names, all of its slices are meant.
        keep_one: without names, leave one of each group of copies, as `all_but_one` does.

    Returns:
        `{"name", "verdict", "slices": [{"slice_id", "path", "verdict", "findings"}], "excluded", "fine"}`:
        the slices that were decided, for `list` all that something holds of.

    Raises:
        DatasetNotFoundError: there is no such data set.
        DecisionError: the verdict, a slice or the finding is unknown.
    """
    if keep_one and (names or finding is None or verdict != "exclude"):
        raise DecisionError(
            "One of each is kept where copies of a finding are excluded: exclude --finding CODE."
        )
    index = load_index(workspace, dataset)
    if verdict == "list":
        known = load_decisions(workspace, dataset)
        chosen = sorted({*known.excluded, *known.fine})
        return _answer(dataset, verdict, chosen, index, known)
    if verdict == "undo" and not names and finding is None:
        chosen = undo_last(workspace, dataset)
        return _answer(dataset, verdict, chosen, index, load_decisions(workspace, dataset))
    chosen = resolve_slices(index, names)
    if not names and finding is not None:
        if keep_one:
            chosen = all_but_one(workspace, dataset, finding)
        else:
            chosen = open_slices(workspace, dataset, finding, decided=verdict == "undo")
    return _answer(
        dataset, verdict, chosen, index, decide(workspace, dataset, verdict, chosen, finding=finding)
    )


def open_slices(workspace: Workspace, dataset: str, code: str, *, decided: bool = False) -> list[str]:
    """Return every slice of a finding of which nothing is decided yet, or those of which something is.

    Raises:
        DecisionError: the last audit has no such finding, or no slice of it is left.
    """
    index, known = load_index(workspace, dataset), load_decisions(workspace, dataset)
    every = members(index, code)
    if not every:
        report = load_audit(workspace, dataset)
        found = report.findings if report is not None else ()
        every = [one for finding in found if finding.code == code for one in finding.slice_ids]
    settled = {one for one in every if one in known.excluded or known.is_fine(one, code)}
    chosen = [one for one in dict.fromkeys(every) if (one in settled) == decided]
    if not chosen:
        raise DecisionError(
            f"The finding {code!r} has no slice left to decide about. `python -m pipeline audit {dataset}` "
            "lists the findings with their codes."
        )
    return chosen


def all_but_one(workspace: Workspace, dataset: str, code: str) -> list[str]:
    """Return the slices of a finding of copies without the first, by path, of each group that copies join.

    Excluded slices are not chosen again, and where one of two copies was called fine both are left alone.

    Raises:
        DecisionError: the finding is not one of `KEEPING_ONE`, or none of its slices is left to exclude.
    """
    if code not in KEEPING_ONE:
        raise DecisionError(
            f"One of each cannot be kept of {code!r}: choose one of {', '.join(KEEPING_ONE)}. Neighbours are "
            "no copies, and of copies in two classes one has the wrong label: look at them."
        )
    index, known = load_index(workspace, dataset), load_decisions(workspace, dataset)
    pairs, ids = load_pairs(workspace, dataset), index["slice_id"].to_numpy(dtype=object)
    fine = np.array([known.is_fine(one, code) for one in ids], bool)
    meant = pairs_of(index, pairs, code) & ~fine[pairs.first] & ~fine[pairs.second]
    roots = connected_components(len(index), pairs.first[meant], pairs.second[meant])
    there = index.assign(group=roots)[~index["slice_id"].isin(known.excluded)].sort_values(["path", "frame"])
    chosen = [str(one) for one in there.loc[there["group"].duplicated(), "slice_id"]]
    if not chosen:
        raise DecisionError(f"The finding {code!r} has no copies left of which one could be kept.")
    return chosen


def _answer(
    dataset: str, verdict: str, chosen: Sequence[str], index: pd.DataFrame, known: Decisions
) -> dict[str, Any]:
    paths = index.set_index("slice_id")["path"]
    slices = [
        {
            "slice_id": one,
            "path": paths.get(one),
            "verdict": known.verdict_of(one) or "open",
            "findings": sorted(known.fine.get(one, [])),
        }
        for one in chosen
    ]
    return {"name": dataset, "verdict": verdict, "slices": slices, **known.counts()}
