"""The shipped model on phantom patients of the seeds kept for reports: drawn, prepared and predicted here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from models.backend import start_backend
from pipeline.data.phantom import SYNTHETIC_NOTICE
from pipeline.demo_model import load_shipped_model, measure_shipped
from pipeline.workspace import Workspace


def run() -> list[dict[str, Any]]:
    """Measure the AUC of `positive` against all else, whole and by size of the lesions, and the accuracy.

    Returns:
        Rows whose `peer` is the 95 % interval over patients.
    """
    start_backend()
    with tempfile.TemporaryDirectory() as folder:
        found = measure_shipped(Workspace.open(Path(folder) / "workspace"), load_shipped_model())
    what = f"{found['n']} slices, {found['patients']} phantoms"
    rows = [_row(f"AUC of positive ({SYNTHETIC_NOTICE})", found["auc"]["positive"], what)]
    for size, estimate in found["auc_by_lesion_size"].items():
        count = f"{estimate['positives']} positives"
        rows.append(_row(f"the same, {size} lesions against all other classes", estimate, count))
    for label in ("negative", "non-informative"):
        rows.append(_row(f"the same, AUC of {label}", found["auc"][label], what))
    return [*rows, _row("the same, accuracy of three classes", found["accuracy"], what)]


def _row(figure: str, estimate: dict[str, float], what: str) -> dict[str, Any]:
    interval = f"{estimate['low']:.3f} to {estimate['high']:.3f}, {what}"
    return {"figure": figure, "value": estimate["value"], "unit": "", "peer": interval}
