"""Decisions as they are typed: slices named by id or path, or all of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.data.audit import load_audit
from pipeline.data.datasets import load_index
from pipeline.data.decisions import (
    DecisionError,
    Decisions,
    decide,
    load_decisions,
    resolve_slices,
    undo_last,
)
from pipeline.data.quality import members
from pipeline.workspace import Workspace


def decide_by_name(
    workspace: Workspace, dataset: str, verdict: str, names: Sequence[str], *, finding: str | None = None
) -> dict[str, Any]:
    """Keep a decision about named slices, or all open slices of a finding, and say what holds.

    Args:
        verdict: `exclude`, `fine`, `undo` (without names: the last decision), or `list`, which only reads.
        names: ids, beginnings of ids, or paths.
        finding: code of a finding: what `fine` is about; without names, all of its slices are meant.

    Returns:
        `{"name", "verdict", "slices": [{"slice_id", "path", "verdict", "findings"}], "excluded", "fine"}`:
        the slices that were decided, for `list` all that something holds of.

    Raises:
        DatasetNotFoundError: there is no such data set.
        DecisionError: the verdict, a slice or the finding is unknown.
    """
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
