"""What a run says of its beginning: which slices its model may have seen, and where it ran."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import psutil

from pipeline.inference.seen import with_fingerprints
from pipeline.runs import RunInfo
from pipeline.training.plan import Plan
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

_PACKAGES = ("keras", "tensorflow", "numpy", "opencv-python-headless", "openvino", "mlflow-skinny")
_SEEN = ["slice_id", "content_hash", "perceptual_hash", "patient_id", "part"]


def write_seen(workspace: Workspace, run: RunInfo, plan: Plan) -> None:
    """Write which slices and patients the model may have seen, before it sees any."""
    rows = with_fingerprints(workspace, plan.split["dataset"], plan.table[_SEEN])
    atomic_write_parquet(run.artifacts / "seen.parquet", rows)


def write_environment(run: RunInfo, group: Mapping[str, Any] | None = None) -> None:
    """Write where and with what the run was made.

    Args:
        group: of a training by several processes: what they say of themselves.
    """
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS"),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    atomic_write_json(run.artifacts / "environment.json", facts | dict(group or {}))
