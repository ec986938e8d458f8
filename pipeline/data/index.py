"""The index: one row a slice of everything in a folder, readable or not. See `table.py` for its columns.

A pass is incremental (a file whose size and time did not change keeps its rows), parallel, and can be stopped
or killed at any moment: the next one goes on from its journal. The table is replaced whole at the end, and
left alone where nothing changed at all.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.cluster.place import Cluster
from pipeline.cluster.starting import connected
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
from pipeline.data.folder_patients import folder_patients
from pipeline.data.index_summary import (
    IndexSummary,
    build_manifest,
    folder_state,
    is_settled,
    kept_summary,
    summarise,
)
from pipeline.data.journal import Journal
from pipeline.data.known_rows import KnownRows, RowTables
from pipeline.data.label_paths import place_rows
from pipeline.data.labels import NO_FILE, CsvLabels, label_from_path, read_labels_csv, without_names
from pipeline.data.scan import FoundFile, Scan, SourceError, scan_folder, without_litter
from pipeline.data.slice_image import SliceError
from pipeline.data.table import COLUMNS, failed_row, slice_id
from pipeline.jobs import Progress, no_progress
from pipeline.locks import only_one
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet, checked_name

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
VERSION = 5  # of what is measured of a slice: a greater one reads every file again


def build_index(
    workspace: Workspace,
    source: Path,
    *,
    name: str,
    labels_csv: Path | None = None,
    cluster: Cluster | None = None,
    progress: Progress = no_progress,
) -> IndexSummary:
    """Index a folder of slices as data set `name`; index it again to see what changed.

    Args:
        source: the folder, one folder a class; nothing in it is changed.
        labels_csv: `path,label[,patient_id,source,...]`; by default `labels.csv` in `source`, if any.
        cluster: where files are read; by default here. The rest, from the table on, is done here.
        progress: hears how many files are read; may stop the pass.

    Raises:
        SourceError: the folder can't be read or holds no file to look at.
        LabelsError: the CSV can't be used.
        DatasetExistsError: `name` is another folder's data set.
        ClusterError: the cluster cannot be reached, or does not see the folder.
    """
    began = time.monotonic()
    source = Path(source).expanduser().absolute()
    folder = workspace.dataset_dir(checked_name(name))
    csv_path = _find_labels(source, labels_csv)
    found = scan_folder(source, labels_csv=csv_path, exclude=workspace.root)
    labels = CsvLabels()
    if csv_path is not None:
        labels = without_names(read_labels_csv(csv_path, source=source), key=workspace.pseudonym_key())
    if not found.files and not labels.rows:
        passed = (
            f" ({len(found.passed_over)} documents and tables were passed over)" if found.passed_over else ""
        )
        raise SourceError(
            f"The folder {source} holds no slices{passed}. Put PNG, JPEG, TIFF, BMP, DICOM or NIfTI files "
            "into it, or ZIP archives of them, one folder a class (for example pCT, nCT, NiCT)."
        )
    _refuse_other_folder(workspace, name, source, found)
    state = folder_state(source, found, csv_path, version=VERSION)
    with only_one(folder / ".lock", waiting=lambda: progress(0, 1, "Another process indexes this data set")):
        summary = kept_summary(workspace, name, state=state, began=began)
        if summary is None:
            rows, read = _collect_rows(workspace, source, name, found, cluster, progress)
            progress(0, 1, f"Writing the table of {len(rows):,} slices")
            if labels.rows:
                archives = dict(zip(rows["path"], rows["archive"].fillna(""), strict=True))
                labels = place_rows(labels, archives)
            table = _finish_table(name, rows, labels)
            summary = summarise(
                table, name, found=found, labels=labels, csv_path=csv_path, read=read, began=began
            )
            kept = state if is_settled(table, found) else None
            manifest = build_manifest(workspace, source, summary, version=VERSION, state=kept)
            _forget_state(workspace, name)
            atomic_write_parquet(index_file(workspace, name), table)
            atomic_write_json(folder / "dataset.json", manifest)
        _journal(workspace, name).discard()
    _keep_clusters(workspace, name, progress)
    progress(1, 1, f"{summary.readable:,} slices, {summary.read:,} files read")
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


def _forget_state(workspace: Workspace, name: str) -> None:
    """Let no pass believe that the table is the old folder's, should this one end before its manifest."""
    manifest = read_manifest(workspace, name)
    if manifest is not None and manifest.get("state") is not None:
        atomic_write_json(workspace.dataset_dir(name) / "dataset.json", manifest | {"state": None})


def _keep_clusters(workspace: Workspace, name: str, progress: Progress) -> None:
    """Look for copies, so that no page has to wait, unless that was done since the table was written."""
    kept = index_file(workspace, name).with_name("clusters.parquet")
    if not kept.exists() or kept.stat().st_mtime_ns < index_file(workspace, name).stat().st_mtime_ns:
        from pipeline.data.clusters import load_clusters  # its libraries take longer than an unchanged folder

        load_clusters(workspace, name, progress=progress)


def _collect_rows(
    workspace: Workspace,
    source: Path,
    name: str,
    found: Scan,
    cluster: Cluster | None,
    progress: Progress,
) -> tuple[pd.DataFrame, int]:
    """Return the rows of every file, and how many files had to be read.

    Archives are looked into at every pass; their members are files like others.
    """
    known = KnownRows.load(workspace, name, _journal(workspace, name))
    rows = RowTables()
    files, read = found.files, 0
    with ExitStack() as staying:
        while files:
            kept, to_read = known.of_files(files)
            rows.add_table(kept)
            for file in files:
                if file.problem is not None:
                    rows.add(file, [failed_row(file.problem)])
            if to_read and cluster is not None:
                staying.enter_context(connected(cluster))  # for archives' members too
            members = _read_files(workspace, source, name, to_read, rows, cluster, progress)
            read += len(to_read) - len({member.archive for member in members})
            files, documents = without_litter(members)
            found.passed_over.extend(documents)
    return rows.table(), read


def _read_files(
    workspace: Workspace,
    source: Path,
    name: str,
    files: list[FoundFile],
    rows: RowTables,
    cluster: Cluster | None,
    progress: Progress,
) -> list[FoundFile]:
    """Add the rows of files to `rows`, and return the members of those that are archives."""
    members: list[FoundFile] = []
    if not files:
        return members
    from pipeline.data.parallel import describe_files  # decoders, which an unchanged folder has no use for
    from pipeline.data.spread import through

    progress(0, len(files), f"{len(files):,} files to read")
    first = 0.0
    with _journal(workspace, name) as journal:
        key = workspace.pseudonym_key()
        reading = describe_files(source, files, key=key, through=through(cluster))
        try:
            for done, (file, described, inside) in enumerate(reading, start=1):
                first = first or time.monotonic()  # not before: workers take a while to start
                if inside:
                    members += inside
                else:
                    rows.add(file, described)
                    journal.add(file, described)
                if done % 16 == 0 or done == len(files):
                    progress(done, len(files), _pace(done, len(files), time.monotonic() - first))
        finally:
            reading.close()
    return members


def _pace(done: int, total: int, seconds: float) -> str:
    rate = max(done - 1, 1) / max(seconds, 1e-3)
    return f"{done:,} of {total:,} files, {rate:.0f}/s, {(total - done) / rate:.0f} s left"


def _finish_table(name: str, rows: pd.DataFrame, labels: CsvLabels) -> pd.DataFrame:
    """Put labels and ids to the rows, and add a row for each file that only the CSV knows."""
    missing = RowTables()
    missing.add_table(rows)
    for path in labels.rows.keys() - set(rows["path"]):
        missing.add(FoundFile(path), [failed_row(SliceError("missing-file", NO_FILE))])
    table = missing.table().sort_values(["path", "frame"], ignore_index=True)
    ids = [slice_id(name, path, frame) for path, frame in zip(table["path"], table["frame"], strict=True)]
    table["slice_id"] = pd.Series(ids, dtype="str")
    table["label"] = _folder_labels(table["path"], table["archive"])
    for column in ("patient_id", "study_uid", "series_uid"):
        table[column] = table[f"header_{column}"]
    for column in ("label", *labels.columns):
        given = {path: row[column] for path, row in labels.rows.items() if column in row}
        own = table[column] if column in COLUMNS else None
        values = table["path"].map(given).astype("str")
        table[column] = values if own is None else values.fillna(own)
    table["patient_id"] = table["patient_id"].fillna(folder_patients(table))
    return table.drop(columns="archive")


def _folder_labels(paths: pd.Series, archives: pd.Series) -> pd.Series:
    """Return the label that each path's folders give; folders are asked once, not slice by slice."""
    folders = paths.str.rpartition("/")[0]
    place, kinds = pd.factorize(folders + "\0" + archives.fillna(""))
    asked = [kind.split("\0") for kind in kinds]
    labels = [
        label_from_path(f"{folder}/x" if folder else "x", archive=archive or None)
        for folder, archive in asked
    ]
    return pd.Series(pd.array(labels, dtype="str").take(place), index=paths.index)
