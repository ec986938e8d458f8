"""Rows that were measured: in this pass, in one that was killed, or in the last complete one.

They are kept as tables, a few thousand rows each: as dictionaries they would take several times the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet

from pipeline.data.datasets import index_file, read_manifest
from pipeline.data.journal import Journal
from pipeline.data.scan import FoundFile
from pipeline.data.table import BYTES, MEASURED, build_table
from pipeline.data.text_columns import positions_in
from pipeline.workspace import Workspace

# Reasons that may be gone the next time, though the file is the same.
TRANSIENT = frozenset({"permission-denied", "timeout", "crashed", "changed", "read-error", "missing-file"})
_PACK = 4096  # rows that wait as dictionaries


class RowTables:
    """Rows as they come. `archive` is a column beside the index's own: where a file is a member."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self._tables: list[pd.DataFrame] = []

    def add(self, file: FoundFile, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the rows of one file."""
        facts = {"path": file.path, "bytes": file.bytes, "mtime_ns": file.mtime_ns, "archive": file.archive}
        self._waiting += [row | facts for row in rows]
        if len(self._waiting) >= _PACK:
            self._pack()

    def add_table(self, table: pd.DataFrame) -> None:
        """Keep rows that are a table already, with the columns of `table()` or some of them."""
        self._tables.append(table)

    def table(self) -> pd.DataFrame:
        """Return all rows, every column of the index in its type, and `archive`."""
        self._pack()
        empty = build_table([], further=("archive",))
        return pd.concat([empty, *self._tables], ignore_index=True)[list(empty.columns)]

    def _pack(self) -> None:
        if self._waiting:
            self._tables.append(build_table(self._waiting, further=("archive",)))
            self._waiting = []


class KnownRows:
    """What earlier passes measured, to be taken over for files that are the same."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    @classmethod
    def load(cls, workspace: Workspace, name: str, journal: Journal) -> KnownRows:
        """Read the last complete pass, and what a killed one left in its journal."""
        rows = RowTables()
        manifest = read_manifest(workspace, name)
        if manifest is not None and manifest.get("version") == journal.version:
            path = index_file(workspace, name)
            there = set(pyarrow.parquet.read_schema(path).names)  # an older Hilum's audit measured less
            rows.add_table(pd.read_parquet(path, columns=[column for column in MEASURED if column in there]))
        for (path_in, size, mtime_ns), found in journal.entries(binary=BYTES):
            rows.add(FoundFile(path_in, size, mtime_ns), found)
        return cls(rows.table())

    def of_files(self, files: Sequence[FoundFile]) -> tuple[pd.DataFrame, list[FoundFile]]:
        """Return the rows of files that are the same as then, and the files that have to be read.

        A file is read again where the reason against it may be gone.
        """
        file_of = positions_in(self._table["path"], pd.Series([file.path for file in files], dtype="str"))
        sizes = np.array([file.bytes for file in files], np.int64)
        times = np.array([file.mtime_ns for file in files], np.int64)
        broken = np.array([file.problem is not None for file in files], bool)
        same = file_of >= 0
        at = file_of[same]
        known = self._table[same]
        same[same] = (
            (known["bytes"].to_numpy() == sizes[at])
            & (known["mtime_ns"].to_numpy() == times[at])
            & ~broken[at]
        )
        passing = same & self._table["status"].isin(TRANSIENT).to_numpy()
        same &= ~np.isin(file_of, file_of[passing])
        kept, of = self._table[same], file_of[same]
        archives = pd.array([files[place].archive for place in of], dtype="str")
        kept = kept.assign(archive=archives).drop_duplicates(["path", "frame"], keep="last")
        found = set(of.tolist())
        to_read = [file for place, file in enumerate(files) if place not in found and file.problem is None]
        return kept, to_read
