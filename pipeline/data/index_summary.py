"""What an indexing pass found, as an answer and as `dataset.json`; and whether a folder is as it was."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from pipeline.data.datasets import index_file, read_manifest
from pipeline.data.folder_patients import doubt_folders, patients_text
from pipeline.data.known_rows import TRANSIENT
from pipeline.data.label_paths import paths_text
from pipeline.data.labels import NO_FILE, RULES, CsvLabels, order_labels
from pipeline.data.scan import SYNTHETIC_MARKER, Scan
from pipeline.data.table import OK, UNLABELLED
from pipeline.workspace import Workspace, read_json


@dataclass(frozen=True)
class IndexSummary:
    """What one pass found. `to_json` is the contract of `index --json`.

    Attributes:
        slices: rows, the unreadable ones too; `readable`, `patients` and `by_label` count what can be read.
        columns: what the labels file's columns were taken for, and what else ids and labels came from.
        warnings: what the user should look at before anything is made of the data set.
    """

    name: str
    slices: int
    patients: int
    by_label: dict[str, int]
    errors: list[dict[str, str]]
    seconds: float
    read: int
    readable: int = 0
    labels_csv: str | None = None
    passed_over: list[str] = field(default_factory=list)
    ignored_folders: list[str] = field(default_factory=list)
    dropped_columns: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def summarise(
    table: pd.DataFrame,
    name: str,
    *,
    found: Scan,
    labels: CsvLabels,
    csv_path: Path | None,
    read: int,
    began: float,
) -> IndexSummary:
    """Return the summary of a pass that read so many files and ended in this table."""
    readable = table[table["status"] == OK]
    missing = int((table["error"] == NO_FILE).sum())
    csv_name = csv_path.name if csv_path is not None else ""
    labelled = readable["label"].fillna(UNLABELLED).value_counts()
    counts = {str(label): int(count) for label, count in labelled.items()}
    return IndexSummary(
        name=name,
        slices=len(table),
        patients=int(readable["patient_id"].nunique()),
        by_label={label: counts[label] for label in order_labels(counts)},
        errors=_errors(table),
        seconds=round(time.monotonic() - began, 3),
        read=read,
        readable=len(readable),
        labels_csv=str(csv_path) if csv_path is not None else None,
        passed_over=found.passed_over,
        ignored_folders=found.ignored_folders,
        dropped_columns=list(labels.header.dropped),
        columns=_origins(table, labels),
        warnings=[*paths_text(labels, missing, csv_name), *doubt_folders(table)],
    )


def build_manifest(
    workspace: Workspace, source: Path, summary: IndexSummary, *, version: int, state: str | None
) -> dict[str, Any]:
    """Return `dataset.json`: what a list of data sets shows without opening the table.

    Args:
        version: of what is measured of a slice.
        state: of the folder, None where it has to be looked at again though nothing in it changes.
    """
    before = read_manifest(workspace, summary.name) or {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    marker = source / SYNTHETIC_MARKER
    generator = read_json(marker) if marker.is_file() else None
    return {
        "name": summary.name,
        "source": str(source),
        "created": before.get("created", now),
        "updated": now,
        "version": version,
        "state": state,
        "slices": summary.slices,
        "readable": summary.readable,
        "patients": summary.patients,
        "by_label": summary.by_label,
        "labels_csv": summary.labels_csv,
        "synthetic": generator is not None,
        "generator": generator,
        "passed_over": summary.passed_over,
        "ignored_folders": summary.ignored_folders,
        "dropped_columns": summary.dropped_columns,
        "columns": summary.columns,
        "warnings": summary.warnings,
    }


def folder_state(source: Path, found: Scan, csv_path: Path | None, *, version: int) -> str:
    """Return a hash of what an index follows from: sizes and times of files, the labels' text, the rules."""
    digest = hashlib.sha256(f"{version}\0{RULES}\0{source}\0{csv_path}\n".encode())
    for file in found.files:
        problem = file.problem.code if file.problem is not None else ""
        digest.update(f"{file.path}\0{file.bytes}\0{file.mtime_ns}\0{problem}\n".encode())
    digest.update("\0".join([*found.passed_over, "", *found.ignored_folders]).encode())
    for extra in (csv_path, source / SYNTHETIC_MARKER):
        if extra is not None and extra.is_file():
            digest.update(extra.read_bytes())
    return digest.hexdigest()[:16]


def is_settled(table: pd.DataFrame, found: Scan) -> bool:
    """Return whether reading the files again would tell nothing new, as long as they don't change."""
    passing = table.loc[table["status"].isin(TRANSIENT), "path"]
    seen = {file.path for file in found.files if file.problem is None}
    return not any(
        str(place) in seen  # the file, or the archive that it is in
        for path in passing
        for place in (PurePosixPath(path), *PurePosixPath(path).parents)
    )


def kept_summary(workspace: Workspace, name: str, *, state: str, began: float) -> IndexSummary | None:
    """Return the summary of the last pass where the folder is as it was then, None where it is not."""
    manifest = read_manifest(workspace, name)
    path = index_file(workspace, name)
    if manifest is None or manifest.get("state") != state or not path.is_file():
        return None
    table = pd.read_parquet(path, columns=["path", "status", "error"], filters=[("status", "!=", OK)])
    kept = {key: manifest[key] for key in IndexSummary.__dataclass_fields__ if key in manifest}
    summary = IndexSummary(**kept, errors=_errors(table), seconds=0.0, read=0)
    return replace(summary, seconds=round(time.monotonic() - began, 3))


def _origins(table: pd.DataFrame, labels: CsvLabels) -> list[str]:
    """Say where labels and ids came from."""
    header = labels.header.text() if labels.header.names else ""
    patients = patients_text(table) if "patient_id" not in labels.header.names else ""
    return [text for text in (header, patients) if text]


def _errors(table: pd.DataFrame) -> list[dict[str, str]]:
    failed = table[table["status"] != OK]
    return [
        {"path": path, "code": code, "reason": reason}
        for path, code, reason in zip(failed["path"], failed["status"], failed["error"], strict=True)
    ]
