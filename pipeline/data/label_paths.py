"""Rows of a labels CSV whose path names no file: found by their file's name, where that is unambiguous."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.data.labels import KNOWN_LABELS, CsvLabels, label_from_path


def place_rows(labels: CsvLabels, archives: Mapping[str, str]) -> CsvLabels:
    """Return the labels with rows under the path of the file that they are about.

    A row whose path names no file is about the file of the same name, where one file and one row have it, and
    the folder of the file does not say another class than the row.

    Args:
        archives: path of each file -> the archive that it is in, empty where in none.
    """
    missing = labels.rows.keys() - archives.keys()
    if not missing:
        return labels
    files, rows = _by_name(archives), _by_name(labels.rows)
    moved: dict[str, str] = {}
    for path in missing:
        name = PurePosixPath(path).name
        file = files.get(name)
        if file is None or name not in rows:
            continue
        folder = label_from_path(file, archive=archives[file] or None)
        if folder not in KNOWN_LABELS or labels.rows[path].get("label", folder) == folder:
            moved[path] = file
    placed = {moved.get(path, path): row for path, row in labels.rows.items()}
    return replace(labels, rows=placed, by_name=len(moved))


def paths_text(labels: CsvLabels, missing: int, name: str) -> list[str]:
    """Say how many rows of the CSV `name` are about no file, and how many were found by a file's name."""
    said = []
    if missing:
        rows = f"{missing:,} of {len(labels.rows):,} rows of {name}"
        said.append(f"{rows} name no file: paths are relative to the folder of slices.")
    if labels.by_name:
        said.append(
            f"{labels.by_name:,} of {len(labels.rows):,} rows of {name} were matched by the file's name "
            "alone: their paths name no file, and each of these names comes once."
        )
    return said


def _by_name(paths: Iterable[str]) -> dict[str, str]:
    """Return the path of each file name that comes once."""
    names = {path: PurePosixPath(path).name for path in paths}
    counts = Counter(names.values())
    return {name: path for path, name in names.items() if counts[name] == 1}
