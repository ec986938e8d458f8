"""Filling in how much lung each slice shows: the one column of the index that costs more than decoding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.data.datasets import index_file, require_manifest
from pipeline.data.parallel import work_through
from pipeline.data.scan import FoundFile
from pipeline.data.table import OK
from pipeline.jobs import Progress
from pipeline.locks import only_one
from pipeline.workspace import Workspace, atomic_write_parquet


def fill_lung_fractions(workspace: Workspace, name: str, *, progress: Progress) -> None:
    """Isolate the lungs of every slice that has no lung fraction yet, and keep the result in the index.

    A slice that can no longer be read keeps none. What was measured before a stop is kept.
    """
    folder = workspace.dataset_dir(name)
    with only_one(folder / ".lock", waiting=lambda: progress(0, 1, "Another process works on this data set")):
        path = index_file(workspace, name)
        table = pd.read_parquet(path)
        wanted = table[(table["status"] == OK) & table["lung_fraction"].isna()]
        if wanted.empty:
            return
        source = Path(require_manifest(workspace, name)["source"])
        fractions: dict[tuple[str, int], float] = {}
        try:
            _measure(source, wanted, fractions, progress)
        finally:
            if fractions:
                atomic_write_parquet(path, _with_fractions(table, fractions))


def _measure(
    source: Path, wanted: pd.DataFrame, fractions: dict[tuple[str, int], float], progress: Progress
) -> None:
    files = [
        FoundFile(str(path), int(rows["bytes"].iloc[0])) for path, rows in wanted.groupby("path", sort=True)
    ]
    working = work_through(source, files, request={"verb": "lungs"})
    try:
        for done, (file, answer, _) in enumerate(working, start=1):
            found: list[float | None] = answer.get("lung_fractions", [])
            fractions |= {(file.path, frame): value for frame, value in enumerate(found) if value is not None}
            if done % 16 == 0 or done == len(files):
                progress(done, len(files), f"Lungs of {done:,} of {len(files):,} files")
    finally:
        working.close()


def _with_fractions(table: pd.DataFrame, fractions: Mapping[tuple[str, int], float]) -> pd.DataFrame:
    keys = zip(table["path"], table["frame"], strict=True)
    found = pd.Series([fractions.get(key) for key in keys], index=table.index, dtype="float64")
    return table.assign(lung_fraction=table["lung_fraction"].fillna(found))
