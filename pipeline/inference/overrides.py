"""Who asked for an answer that the gate had refused: one line an override, appended and never rewritten.

Uploads are told by the hash of their pixels alone: a file's name may hold a patient's.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.data.statistics import describe_slice
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace


def log_path(workspace: Workspace) -> Path:
    """Return where overrides are logged."""
    return workspace.root / "evaluations" / "overrides.jsonl"


def record_override(
    workspace: Workspace, run: RunInfo, prediction: Prediction, *, shown: bool, slice_id: str | None = None
) -> dict[str, Any]:
    """Append that a refused slice's answer was shown, or hidden again; it is on disk when this returns."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.id,
        "run_name": run.name,
        "slice_id": slice_id,
        "content_hash": describe_slice(prediction.image)[0]["content_hash"],
        "reason": prediction.reason,
        "distance": prediction.distance,
        "label": prediction.label,
        "shown": shown,
    }
    path = log_path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One write to a file opened for appending: lines of two processes cannot mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return line


def list_overrides(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every override, oldest first."""
    path = log_path(workspace)
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
