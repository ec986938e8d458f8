"""The index: one row a slice of everything in a folder, readable or not. See `table.py` for its columns.

A pass is incremental (a file whose size and time did not change keeps its rows), parallel, and can be stopped
or killed at any moment: the next one goes on from its journal. The table is replaced whole at the end.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow.parquet

from pipeline.data.clusters import load_clusters
from pipeline.data.datasets import (
    DatasetExistsError,
    DatasetInfo,
    describe_removal,
    index_file,
    list_datasets,
    load_index,
    read_manifest,
    remove_dataset,
    slice_path,
)
from pipeline.data.describe import failed_row
from pipeline.data.journal import Journal
from pipeline.data.labels import CsvLabels, label_from_path, order_labels, read_labels_csv
from pipeline.data.parallel import describe_files
from pipeline.data.scan import SYNTHETIC_MARKER, FoundFile, Scan, SourceError, scan_folder, without_litter
from pipeline.data.slice_image import SliceError
from pipeline.data.table import BYTES, MEASURED, OK, UNLABELLED, build_table, slice_id
from pipeline.jobs import Progress, no_progress
from pipeline.locks import only_one
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet, checked_name, read_json

__all__ = [
    "DatasetInfo",
    "IndexSummary",
    "build_index",
    "describe_removal",
    "list_datasets",
    "load_index",
    "remove_dataset",
    "slice_path",
]

LABELS_FILE = "labels.csv"
VERSION = 3  # of what is measured of a slice: a greater one reads every file again
# Reasons that may be gone the next time, though the file is the same.
_TRANSIENT = frozenset({"permission-denied", "timeout", "crashed", "changed", "read-error", "missing-file"})
_Key = tuple[str, int, int]
_Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class IndexSummary:
    """What one pass found. `to_json` is the contract of `index --json`."""

    name: str
    slices: int
    patients: int
    by_label: dict[str, int]
    errors: list[dict[str, str]]
    seconds: float
    read: int
    labels_csv: str | None = None
    passed_over: list[str] = field(default_factory=list)
    ignored_folders: list[str] = field(default_factory=list)
    dropped_columns: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def build_index(
    workspace: Workspace,
    source: Path,
    *,
    name: str,
    labels_csv: Path | None = None,
    progress: Progress = no_progress,
) -> IndexSummary:
    """Index a folder of slices as data set `name`; index it again to see what changed.

    Args:
        source: the folder, one folder a class; nothing in it is changed.
        labels_csv: `path,label[,patient_id,source,...]`; by default `labels.csv` in `source`, if any.
        progress: hears how many files are read; may stop the pass.

    Raises:
        SourceError: the folder can't be read or holds no file to look at.
        LabelsError: the CSV can't be used.
        DatasetExistsError: `name` is another folder's data set.
    """
    began = time.monotonic()
    source = Path(source).expanduser().absolute()
    folder = workspace.dataset_dir(checked_name(name))
    csv_path = _find_labels(source, labels_csv)
    found = scan_folder(source, labels_csv=csv_path, exclude=workspace.root)
    labels = read_labels_csv(csv_path, source=source) if csv_path is not None else CsvLabels()
    if not found.files and not labels.rows:
        passed = (
            f" ({len(found.passed_over)} documents and tables were passed over)" if found.passed_over else ""
        )
        raise SourceError(
            f"The folder {source} holds no slices{passed}. Put PNG, JPEG, TIFF, BMP, DICOM or NIfTI files "
            "into it, or ZIP archives of them, one folder a class (for example pCT, nCT, NiCT)."
        )
    _refuse_other_folder(workspace, name, source, found)
    with only_one(folder / ".lock", waiting=lambda: progress(0, 1, "Another process indexes this data set")):
        rows, read = _collect_rows(workspace, source, name, found, progress)
        table = _finish_table(name, rows, labels)
        summary = _summarise(table, name, found, labels, csv_path, read, began)
        atomic_write_parquet(index_file(workspace, name), table)
        atomic_write_json(folder / "dataset.json", _manifest(workspace, source, summary))
        _journal(workspace, name).discard()
    progress(1, 1, "Looking for copies")
    load_clusters(workspace, name)  # kept, so that no page has to wait for it
    return summary


def _find_labels(source: Path, given: Path | None) -> Path | None:
    if given is not None:
        return Path(given).expanduser().absolute()
    own = source / LABELS_FILE
    return own if own.is_file() else None


def _refuse_other_folder(workspace: Workspace, name: str, source: Path, found: Scan) -> None:
    """Let a data set's folder move, but not be replaced by one that has nothing in common with it."""
    manifest = read_manifest(workspace, name)
    if manifest is None or Path(manifest["source"]) == source:
        return
    known = {
        str(place)
        for path in load_index(workspace, name)["path"]
        for place in (PurePosixPath(path), *PurePosixPath(path).parents)  # of a member: its archive
    }
    if known and not known & {file.path for file in found.files}:
        raise DatasetExistsError(
            f"The data set {name!r} is the folder {manifest['source']}, and {source} has no file in common "
            f"with it. Choose another name, or remove it first: `python -m pipeline remove {name}`."
        )


def _journal(workspace: Workspace, name: str) -> Journal:
    return Journal(workspace.dataset_dir(name) / "index.journal", version=VERSION)


def _collect_rows(
    workspace: Workspace, source: Path, name: str, found: Scan, progress: Progress
) -> tuple[dict[str, _Rows], int]:
    """Return the rows of every file by its path, and how many files had to be read.

    Archives are looked into at every pass; their members are files like others.
    """
    known = {**_rows_of_last_pass(workspace, name), **_journal(workspace, name).load(binary=BYTES)}
    rows: dict[str, _Rows] = {}
    files, read = found.files, 0
    while files:
        to_read: list[FoundFile] = []
        for file in files:
            kept = known.get((file.path, file.bytes, file.mtime_ns))
            if file.problem is not None:
                rows[file.path] = [failed_row(file.problem)]
            elif kept and not any(row["status"] in _TRANSIENT for row in kept):
                rows[file.path] = kept
            else:
                to_read.append(file)
        described, members = _read_files(workspace, source, name, to_read, progress)
        read += len(described)
        rows |= described
        for file in files:
            for row in rows.get(file.path, []):
                row |= {"path": file.path, "bytes": file.bytes, "mtime_ns": file.mtime_ns}
                row["archive"] = file.archive
        files, documents = without_litter(members)
        found.passed_over.extend(documents)
    return rows, read


def _read_files(
    workspace: Workspace, source: Path, name: str, files: list[FoundFile], progress: Progress
) -> tuple[dict[str, _Rows], list[FoundFile]]:
    """Return the rows of files by path, and the members of those that are archives."""
    rows: dict[str, _Rows] = {}
    members: list[FoundFile] = []
    began = time.monotonic()
    if files:
        progress(0, len(files), f"{len(files):,} files to read")
    with _journal(workspace, name) as journal:
        reading = describe_files(source, files, key=workspace.pseudonym_key())
        try:
            for done, (file, described, inside) in enumerate(reading, start=1):
                if inside:
                    members += inside
                else:
                    rows[file.path] = described
                    journal.add(file, described)
                if done % 16 == 0 or done == len(files):
                    rate = done / max(time.monotonic() - began, 1e-6)
                    left = (len(files) - done) / rate
                    progress(
                        done, len(files), f"{done:,} of {len(files):,} files, {rate:.0f}/s, {left:.0f} s left"
                    )
        finally:
            reading.close()
    return rows, members


def _rows_of_last_pass(workspace: Workspace, name: str) -> dict[_Key, _Rows]:
    """Return the measured columns of the rows that the last complete pass left, by file."""
    manifest = read_manifest(workspace, name)
    if manifest is None or manifest.get("version") != VERSION:
        return {}
    path = index_file(workspace, name)
    there = set(pyarrow.parquet.read_schema(path).names)
    columns = [column for column in MEASURED if column in there]  # an older Hilum's audit measured less
    table = pd.read_parquet(path, columns=columns).astype(object)
    table = table.where(table.notna(), None)
    rows: dict[_Key, _Rows] = defaultdict(list)
    for values in zip(*(table[column] for column in columns), strict=True):
        row = dict(zip(columns, values, strict=True))
        rows[(row["path"], row["bytes"], row["mtime_ns"])].append(row)
    return dict(rows)


def _finish_table(name: str, rows: Mapping[str, _Rows], labels: CsvLabels) -> pd.DataFrame:
    """Put labels and ids to the rows, and add a row for each file that only the CSV knows."""
    complete = [row for file in rows.values() for row in file]
    for path in labels.rows.keys() - rows.keys():
        missing = SliceError(
            "missing-file",
            "The labels file names it, and it is not in the folder, to which paths are relative.",
        )
        complete.append(failed_row(missing) | {"path": path})
    for row in complete:
        given = labels.rows.get(row["path"], {})
        row["slice_id"] = slice_id(name, row["path"], row["frame"])
        row["label"] = label_from_path(row["path"], archive=row.pop("archive", None))
        for column in ("patient_id", "study_uid", "series_uid"):
            row[column] = row.get(f"header_{column}")
        row |= given
    complete.sort(key=lambda row: (row["path"], row["frame"]))
    return build_table(complete, further=labels.columns)


def _summarise(
    table: pd.DataFrame,
    name: str,
    found: Scan,
    labels: CsvLabels,
    csv_path: Path | None,
    read: int,
    began: float,
) -> IndexSummary:
    counts = Counter(table["label"].fillna(UNLABELLED))
    failed = table[table["status"] != OK]
    errors = [
        {"path": path, "code": code, "reason": reason}
        for path, code, reason in zip(failed["path"], failed["status"], failed["error"], strict=True)
    ]
    return IndexSummary(
        name=name,
        slices=len(table),
        patients=int(table["patient_id"].nunique()),
        by_label={label: counts[label] for label in order_labels(counts)},
        errors=errors,
        seconds=round(time.monotonic() - began, 3),
        read=read,
        labels_csv=str(csv_path) if csv_path is not None else None,
        passed_over=found.passed_over,
        ignored_folders=found.ignored_folders,
        dropped_columns=list(labels.dropped),
    )


def _manifest(workspace: Workspace, source: Path, summary: IndexSummary) -> dict[str, Any]:
    """Return `dataset.json`: what a list of data sets shows without opening the table."""
    before = read_manifest(workspace, summary.name) or {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    marker = source / SYNTHETIC_MARKER
    generator = read_json(marker) if marker.is_file() else None
    return {
        "name": summary.name,
        "source": str(source),
        "created": before.get("created", now),
        "updated": now,
        "version": VERSION,
        "slices": summary.slices,
        "readable": summary.slices - len(summary.errors),
        "patients": summary.patients,
        "by_label": summary.by_label,
        "labels_csv": summary.labels_csv,
        "synthetic": generator is not None,
        "generator": generator,
        "ignored_folders": summary.ignored_folders,
        "dropped_columns": summary.dropped_columns,
    }
