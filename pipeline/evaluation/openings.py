"""How often a test part was opened: one line an opening, appended and never rewritten.

A test part tells the truth once. Each further look, by this run or by others trained on the same split, makes
its figures a little more flattering, because somebody chose with it. So every look is counted and shown.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import HilumError
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace


class OpeningsDamagedError(HilumError):
    """The log of openings was edited or cut off."""


@dataclass(frozen=True)
class Opening:
    """One look at a test part.

    Attributes:
        run: the run's id.
        split: hash of the split whose test part it is; several runs share one.
        time: UTC, ISO 8601.
        by: where it was opened: `page` or `command`.
        n: slices that were shown.
    """

    run: str
    run_name: str
    dataset: str
    split: str
    part: str
    time: str
    by: str
    n: int


def log_path(workspace: Workspace) -> Path:
    """Return where openings are logged."""
    return workspace.root / "evaluations" / "openings.jsonl"


def record_opening(workspace: Workspace, run: RunInfo, *, n: int, by: str, part: str = "test") -> Opening:
    """Append one opening of the run's own test part; it is on disk when this returns."""
    split = run.load_split()
    opening = Opening(
        run=run.id,
        run_name=run.name,
        dataset=str(split.get("dataset", "")),
        split=str(split.get("hash", "")),
        part=part,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        by=by,
        n=n,
    )
    path = log_path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(asdict(opening), ensure_ascii=False) + "\n").encode()
    # One write to a file opened for appending: lines of two processes cannot mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return opening


def list_openings(workspace: Workspace) -> list[Opening]:
    """Return every opening, oldest first.

    Raises:
        OpeningsDamagedError: a line is none of Hilum's.
    """
    path = log_path(workspace)
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Opening(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise OpeningsDamagedError(
                f"Line {number} of {path} is not an opening of a test part: the log was edited. Restore it "
                "from a backup; without it nobody can say how often the test part was used."
            ) from error
    return found


def count_openings(workspace: Workspace, run: RunInfo) -> tuple[int, int]:
    """Return how often this run's test part was opened, and by how many runs of the same split in all."""
    split = str(run.load_split().get("hash", ""))
    openings = list_openings(workspace)
    own = sum(opening.run == run.id for opening in openings)
    runs = {
        opening.run for opening in openings if opening.run == run.id or (split and opening.split == split)
    }
    return own, len(runs)
