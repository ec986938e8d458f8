"""Filling in what the audit measures of each slice: the columns of the index that cost more than decoding."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.datasets import index_file, require_manifest
from pipeline.data.journal import Journal
from pipeline.data.measures import COLUMNS, VERSION
from pipeline.data.parallel import work_through
from pipeline.data.scan import FoundFile
from pipeline.data.table import OK
from pipeline.jobs import Progress
from pipeline.locks import only_one
from pipeline.workspace import Workspace, atomic_write_parquet

_Measures = dict[str, Any]
_Key = tuple[str, int]  # path and frame


def fill_measures(workspace: Workspace, name: str, *, progress: Progress) -> None:
    """Measure every slice that was not measured yet, and keep the results in columns of the index.

    A slice that can no longer be read keeps none. What was measured before a stop or a kill is kept.
    """
    folder = workspace.dataset_dir(name)
    with only_one(folder / ".lock", waiting=lambda: progress(0, 1, "Another process works on this data set")):
        path = index_file(workspace, name)
        table = with_measure_columns(pd.read_parquet(path))
        wanted = table[(table["status"] == OK) & (table["audit_version"].fillna(0) != VERSION)]
        if wanted.empty:
            return
        source = Path(require_manifest(workspace, name)["source"])
        journal = Journal(folder / "audit.journal", version=VERSION)
        found = _kept(journal, wanted)
        try:
            _measure(source, wanted, found, journal, progress)
        finally:
            if found:
                atomic_write_parquet(path, _with_measures(table, found))
                journal.discard()


def with_measure_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return an index with every column of the audit, empty where an older Hilum did not measure it."""
    missing: dict[str, Any] = {column: float("nan") for column in COLUMNS if column not in table}
    if "chest_doubt" in missing:
        missing["chest_doubt"] = pd.Series(None, index=table.index, dtype="str")
    if "audit_version" not in table:
        missing["audit_version"] = pd.Series(pd.NA, index=table.index, dtype="Int64")
    return table.assign(**missing) if missing else table


def _kept(journal: Journal, wanted: pd.DataFrame) -> dict[_Key, _Measures]:
    """Return what a pass that was killed had measured, of files that are the same."""
    facts = wanted[["path", "bytes", "mtime_ns"]].drop_duplicates().itertuples(index=False, name=None)
    unchanged = set(facts)
    return {
        (path, frame): measures
        for (path, size, mtime_ns), rows in journal.load(binary=()).items()
        if (path, size, mtime_ns) in unchanged
        for frame, measures in enumerate(rows)
        if measures
    }


def _measure(
    source: Path,
    wanted: pd.DataFrame,
    found: dict[_Key, _Measures],
    journal: Journal,
    progress: Progress,
) -> None:
    known = {path for path, _ in found}
    files = [
        FoundFile(str(path), int(rows["bytes"].iloc[0]), int(rows["mtime_ns"].iloc[0]))
        for path, rows in wanted.groupby("path", sort=True)
        if path not in known
    ]
    began = time.monotonic()
    working = work_through(source, files, request={"verb": "measure"})
    with journal:
        try:
            for done, (file, answer, _) in enumerate(working, start=1):
                measured: list[_Measures | None] = answer.get("measures", [])
                journal.add(file, [measures or {} for measures in measured])
                found |= {(file.path, frame): each for frame, each in enumerate(measured) if each}
                if done % 16 == 0 or done == len(files):
                    left = (len(files) - done) * (time.monotonic() - began) / done
                    progress(
                        done, len(files), f"Looked at {done:,} of {len(files):,} files, {left:.0f} s left"
                    )
        finally:
            working.close()


def _with_measures(table: pd.DataFrame, found: Mapping[_Key, _Measures]) -> pd.DataFrame:
    """Return the index with the measures filled in, and the version of what measured them."""
    rows = [found.get(key) for key in zip(table["path"], table["frame"], strict=True)]
    at = [place for place, row in enumerate(rows) if row is not None]
    fresh = pd.DataFrame([rows[place] for place in at], index=table.index[at])
    filled = table.copy()
    for column in COLUMNS:
        filled.loc[fresh.index, column] = fresh[column].astype(table[column].dtype)
    filled.loc[fresh.index, "audit_version"] = VERSION
    return filled
