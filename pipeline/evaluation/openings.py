"""How often a test part was opened: one line an opening, appended and never rewritten.

A test part tells the truth once. Each look at other figures of it, of this run after something was changed or
of others trained on the same split, makes them a little more flattering, because somebody chose with it. So
every look is logged, and looks at new figures are counted; to read the same figures again changes nothing.
"""

from __future__ import annotations

import hashlib
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
        figures: digest of what was shown, the predictions and what was fitted to them; empty in old logs.
    """

    run: str
    run_name: str
    dataset: str
    split: str
    part: str
    time: str
    by: str
    n: int
    figures: str = ""


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
        figures=figures_digest(run, n=n, part=part),
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


def figures_digest(run: RunInfo, *, n: int, part: str = "test") -> str:
    """Return what changes with the figures of a part: its predictions, the calibration, how many count."""
    digest = hashlib.sha256(str(n).encode())
    for path in (run.artifacts / "predictions" / f"{part}.parquet", run.artifacts / "calibration.json"):
        digest.update(path.read_bytes() if path.is_file() else b"none")
    return digest.hexdigest()[:16]


def was_opened(workspace: Workspace, run: RunInfo, *, n: int) -> bool:
    """Return whether the figures of the run's test part, as they are now, were looked at before."""
    now = figures_digest(run, n=n)
    return any(opening.run == run.id and opening.figures == now for opening in list_openings(workspace))


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
    """Return how many different figures of this run's test part were looked at, and of how many runs of the
    same split any were."""
    split = str(run.load_split().get("hash", ""))
    openings = list_openings(workspace)
    own = [opening.figures for opening in openings if opening.run == run.id]
    runs = {
        opening.run for opening in openings if opening.run == run.id or (split and opening.split == split)
    }
    return len({digest for digest in own if digest}) + own.count(""), len(runs)
