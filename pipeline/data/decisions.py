"""What the user decided of slices: leave out, or fine as they are. Kept beside the index, line by line.

`decisions.jsonl` is only ever appended to, so that it says what was decided when; taking something back is a
line of its own. A slice's id is stable, so decisions hold over re-indexing.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pipeline.data.datasets import load_index, require_manifest
from pipeline.errors import HilumError
from pipeline.locks import only_one
from pipeline.workspace import Workspace

Verdict = Literal["exclude", "fine", "undo"]
VERDICTS: tuple[Verdict, ...] = ("exclude", "fine", "undo")
ANY = "*"  # a slice that is fine whatever the audit finds


class DecisionError(HilumError):
    """A decision that means nothing: an unknown verdict, or no such slice."""


@dataclass(frozen=True)
class Decision:
    """One line of the log.

    Attributes:
        batch: the same for all slices decided at once; what "undo" takes back together.
        finding: code of the finding that a slice is fine for, `*` for all of them; None where excluded.
        takes_back: of an undo, the batch that is undone; None where all about this slice is undone.
    """

    at: str
    batch: str
    slice_id: str
    verdict: Verdict
    finding: str | None = None
    takes_back: str | None = None


@dataclass(frozen=True)
class Decisions:
    """What holds now of a data set's slices.

    Attributes:
        excluded: slices that no new split, training or figure has.
        fine: by slice, the findings that it is fine for, or `*`.
        log: every decision that was made, the oldest first, undone ones too.
    """

    excluded: frozenset[str] = frozenset()
    fine: Mapping[str, frozenset[str]] = field(default_factory=dict)
    log: Sequence[Decision] = ()

    def is_fine(self, slice_id: str, code: str) -> bool:
        """Return whether the user said that a slice is fine as to the finding `code`."""
        return bool({code, ANY} & self.fine.get(slice_id, frozenset()))

    def verdict_of(self, slice_id: str) -> str:
        """Return `excluded`, `fine`, or nothing."""
        if slice_id in self.excluded:
            return "excluded"
        return "fine" if slice_id in self.fine else ""

    def counts(self) -> dict[str, int]:
        """Return how many slices are excluded and fine."""
        return {"excluded": len(self.excluded), "fine": len(self.fine.keys() - self.excluded)}


def load_decisions(workspace: Workspace, dataset: str) -> Decisions:
    """Return what was decided of a data set's slices; nothing where nothing was, or the data set is gone."""
    return settle(_read(decisions_file(workspace, dataset)))


def decide(
    workspace: Workspace, dataset: str, verdict: str, slice_ids: Sequence[str], *, finding: str | None = None
) -> Decisions:
    """Keep a decision about slices and return what holds now.

    Args:
        verdict: `exclude`, `fine` (for `finding`, else for all), or `undo` (all that was decided of them).
        slice_ids: of the data set; see `resolve_slices` for paths and beginnings of ids.

    Raises:
        DecisionError: no such verdict or slice, or no slice is named.
    """
    if verdict not in VERDICTS:
        raise DecisionError(f"Received the decision {verdict!r}; choose one of {', '.join(VERDICTS)}.")
    if not slice_ids:
        raise DecisionError(f"No slice is named to {verdict}: give ids or paths of slices, or a finding.")
    known = set(load_index(workspace, dataset)["slice_id"])
    unknown = [one for one in slice_ids if one not in known]
    if unknown:
        raise DecisionError(f"The data set {dataset!r} has no slice {unknown[0]!r}.")
    about = (finding or ANY) if verdict == "fine" else None
    return _append(
        workspace, dataset, [{"slice_id": one, "verdict": verdict, "finding": about} for one in slice_ids]
    )


def undo_last(workspace: Workspace, dataset: str) -> list[str]:
    """Take the last decision back that still holds, and return the slices it was about."""
    require_manifest(workspace, dataset)
    log = _read(decisions_file(workspace, dataset))
    standing = _standing(log)
    if not standing:
        return []
    batch = standing[-1].batch
    slice_ids = [each.slice_id for each in standing if each.batch == batch]
    _append(
        workspace, dataset, [{"slice_id": one, "verdict": "undo", "takes_back": batch} for one in slice_ids]
    )
    return slice_ids


def resolve_slices(index: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """Return the ids of slices that are named by id, by a beginning of it, or by path (every frame of it).

    Raises:
        DecisionError: no slice, or more than one, has this name.
    """
    found: list[str] = []
    for name in names:
        rows = index[index["path"] == name]
        if rows.empty and name:
            rows = index[index["slice_id"].str.startswith(name)]
            if len(rows) > 1:
                raise DecisionError(f"{len(rows):,} slices begin with {name!r}: give more of the id.")
        if rows.empty:
            raise DecisionError(
                f"No slice has the id or the path {name!r}; paths are relative to the data set's folder."
            )
        found.extend(str(one) for one in rows["slice_id"])
    return list(dict.fromkeys(found))


def settle(log: Sequence[Decision]) -> Decisions:
    """Return what holds after these decisions: the last one about a slice wins, findings add up."""
    excluded: set[str] = set()
    fine: dict[str, frozenset[str]] = {}
    for each in _standing(log):
        if each.verdict == "exclude":
            excluded.add(each.slice_id)
        else:
            excluded.discard(each.slice_id)
            fine[each.slice_id] = fine.get(each.slice_id, frozenset()) | {each.finding or ANY}
    return Decisions(frozenset(excluded), fine, tuple(log))


def decisions_file(workspace: Workspace, dataset: str) -> Path:
    """Return where the decisions lie."""
    return workspace.dataset_dir(dataset) / "decisions.jsonl"


def _standing(log: Sequence[Decision]) -> list[Decision]:
    """Return the decisions that were not taken back."""
    standing: list[Decision] = []
    for each in log:
        if each.verdict != "undo":
            standing.append(each)
            continue
        standing = [
            other
            for other in standing
            if other.slice_id != each.slice_id or each.takes_back not in (None, other.batch)
        ]
    return standing


def _append(workspace: Workspace, dataset: str, lines: Sequence[dict[str, Any]]) -> Decisions:
    """Add one batch in one write, synced: a reader sees all of its lines or none, or drops a half one."""
    path = decisions_file(workspace, dataset)
    head: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "batch": secrets.token_hex(6),
    }
    text = "".join(json.dumps(asdict(Decision(**head, **line))) + "\n" for line in lines)
    with only_one(path.with_name(".decisions.lock")), path.open("a+b") as file:
        if file.tell() and not _ends_whole(file):
            text = "\n" + text  # a power cut left half a line
        file.write(text.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    return settle(_read(path))


def _ends_whole(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _read(path: Path) -> list[Decision]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    log = []
    for line in lines:
        try:
            log.append(Decision(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # half a line, or one of a newer Hilum
    return log
