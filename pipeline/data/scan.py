"""Walking a folder of slices: what is looked at, and what is passed over.

Every file is a slice or a row that says why not, except what is plainly no slice: hidden files (`.DS_Store`),
files that systems leave behind (`Thumbs.db`, `DICOMDIR`), folders that hold a file `.hilum-ignore` (masks
beside the slices), and at the top of the folder its documentation (README, LICENSE, ...), tables and JSON:
labels live there. A text file in a class folder is a row with the reason `not-an-image`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.slice_image import SliceError
from pipeline.errors import HilumError

IGNORE_MARKER = ".hilum-ignore"
SYNTHETIC_MARKER = "synthetic.json"
_LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini", "dicomdir", "ehthumbs.db", "icon\r", "__macosx"})
_DOCUMENTS = frozenset({".md", ".rst", ".csv", ".tsv", ".xls", ".xlsx", ".json", ".yaml", ".yml"})
_DOCUMENT_NAMES = frozenset(
    {"readme", "license", "licence", "copying", "citation", "changelog", "notice", "makefile"}
)


class SourceError(HilumError):
    """The folder to index is not there, is no folder, or may not be read."""


@dataclass(frozen=True)
class FoundFile:
    """One file, in a folder or in an archive.

    Attributes:
        path: relative to SOURCE with `/`; of a member, the archive's path and its name.
        bytes, mtime_ns: size and time; of a member, its unpacked size and the archive's time.
        problem: set where it can't even be looked at.
        archive: the path of the archive that it is a member of.
    """

    path: str
    bytes: int = 0
    mtime_ns: int = 0
    problem: SliceError | None = None
    archive: str | None = None


@dataclass
class Scan:
    """Everything found below a folder, in the order of paths."""

    files: list[FoundFile] = field(default_factory=list)
    ignored_folders: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def scan_folder(source: Path, *, labels_csv: Path | None = None, exclude: Path | None = None) -> Scan:
    """List the files below `source` with their sizes and times.

    Links are followed; a folder that was entered already (a loop) is a row with the code `symlink-loop`.

    Args:
        labels_csv: passed over when it lies below `source`.
        exclude: a folder that is passed over with all below it (the workspace, where it lies in `source`).

    Raises:
        SourceError: `source` is not there, is no folder, or may not be listed.
    """
    if not source.exists():
        raise SourceError(
            f"The folder {source} does not exist. Check the path; name the folder that holds the slices."
        )
    if not source.is_dir():
        raise SourceError(f"{source} is a file; name the folder that holds the slices (one folder a class).")
    try:
        os.listdir(source)
    except OSError as error:
        raise SourceError(
            f"The folder {source} cannot be read ({error.strerror}). Check its permissions."
        ) from error
    found = Scan()
    skip = labels_csv.resolve() if labels_csv is not None else None
    excluded = _identity(exclude.stat()) if exclude is not None else None
    for file in _walk(source, found, excluded):
        if (
            skip is not None
            and file.path.lower().endswith(skip.suffix.lower())
            and (source / file.path).resolve() == skip
        ):
            found.passed_over.append(file.path)
        else:
            found.files.append(file)
    found.files.sort(key=lambda file: file.path)
    return found


def without_litter(members: list[FoundFile]) -> tuple[list[FoundFile], list[str]]:
    """Sort the members of an archive as a folder's files are: slices, and documents that are passed over.

    Hidden files, what systems leave behind, and folders with `.hilum-ignore` are in neither.
    """
    ignored = tuple(
        each.path.removesuffix(IGNORE_MARKER) for each in members if each.path.endswith(f"/{IGNORE_MARKER}")
    )
    slices, passed_over = [], []
    for member in members:
        folder = f"{member.archive}/"
        parts = member.path.removeprefix(folder).split("/")
        if any(part.startswith(".") or part.lower() in _LEFT_BEHIND for part in parts):
            continue
        if any(member.path.startswith(marked) and marked != folder for marked in ignored):
            continue
        if len(parts) == 1 and member.problem is None and _is_document(parts[0]):
            passed_over.append(member.path)
        else:
            slices.append(member)
    return slices, passed_over


def _walk(source: Path, found: Scan, excluded: tuple[int, int] | None) -> Iterator[FoundFile]:
    pending = [(source, "", frozenset({_identity(source.stat())}))]
    while pending:
        folder, prefix, entered = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            yield FoundFile(_clean(prefix.rstrip("/")), problem=_folder_problem(error))
            continue
        if prefix and any(entry.name == IGNORE_MARKER for entry in entries):
            found.ignored_folders.append(_clean(prefix.rstrip("/")))
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _LEFT_BEHIND:
                continue
            path = prefix + entry.name
            looked = _look_at(entry, path, entered)
            if isinstance(looked, frozenset):
                if excluded in looked:
                    found.ignored_folders.append(_clean(path))
                    continue
                pending.append((Path(entry.path), path + "/", looked))
            elif not prefix and looked.problem is None and _is_document(entry.name):
                found.passed_over.append(looked.path)
            else:
                yield looked


def _look_at(
    entry: os.DirEntry[str], path: str, entered: frozenset[tuple[int, int]]
) -> FoundFile | frozenset[tuple[int, int]]:
    """Return the file, or for a folder the identities of all folders on the way into it."""
    try:
        status = entry.stat()
        if entry.is_dir():
            if _identity(status) not in entered:
                return entered | {_identity(status)}
            problem = SliceError("symlink-loop", "This link leads back to a folder that holds it.")
            return FoundFile(_clean(path), problem=problem)
    except OSError as error:
        return FoundFile(_clean(path), problem=_file_problem(error))
    if _clean(path) != path:
        problem = SliceError("bad-name", "The file's name is not valid text (UTF-8): rename it.")
        return FoundFile(_clean(path), problem=problem)
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def _is_document(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return suffix in _DOCUMENTS or stem in _DOCUMENT_NAMES


def _identity(status: os.stat_result) -> tuple[int, int]:
    return (status.st_dev, status.st_ino)


def _clean(path: str) -> str:
    """Return the path as valid text: bytes that are no UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _folder_problem(error: OSError) -> SliceError:
    return SliceError(
        "permission-denied", f"This folder may not be listed ({error.strerror}): check its permissions."
    )


def _file_problem(error: OSError) -> SliceError:
    if error.errno == errno.ELOOP:
        return SliceError("symlink-loop", "This link leads back to itself.")
    if isinstance(error, FileNotFoundError):
        return SliceError("missing-file", "This link leads to a file that does not exist.")
    return SliceError("permission-denied", f"This file may not be looked at ({error.strerror}).")
