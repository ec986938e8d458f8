"""What it means when a disk, a folder or a database refuses: one sentence with the way out.

Every write can meet a full disk or a folder that may not be written, in our code or in a library's.
`explained` turns that into an error for the user where work begins (a verb, a job, a run, a page), so that no
single write has to.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import HilumError, user_errors

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_IN_THE_WAY = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR})
_FULL_WORDS = ("disk is full", "No space left", "File too large", "Disk quota exceeded")
_DAMAGED_WORDS = ("not a database", "malformed")


class WorkspaceUnwritableError(HilumError):
    """A folder cannot be made or written: permission, full disk, a file in its place."""


@contextmanager
def explained() -> Iterator[None]:
    """Raise what a disk, a folder or a database refuses inside the block as an error for the user.

    Raises:
        WorkspaceUnwritableError: with the way out; the refusal is its cause. All else passes as it is.
    """
    try:
        yield
    except user_errors():
        raise
    except Exception as error:
        meant = meaning(error)
        if meant is None:
            raise
        raise meant from error


def meaning(error: BaseException) -> WorkspaceUnwritableError | None:
    """Return what `error`, or a refusal that caused it, means for the user; None where it is no refusal.

    >>> str(meaning(PermissionError(13, "Permission denied", "maps")))[:42]
    'maps cannot be written (Permission denied)'
    >>> meaning(ValueError("a fault of ours"))
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and (found := refusal(cause)) is not None:
            return found
        if isinstance(cause, sqlite3.Error) and (found := _database_refusal(str(cause))) is not None:
            return found
        if any(word in str(cause) for word in _FULL_WORDS):  # a library that kept the words and no cause
            return _full()
        cause = cause.__cause__
    return None


def refusal(error: OSError, path: Path | None = None) -> WorkspaceUnwritableError | None:
    """Return what an operating system's refusal to write `path` means; None where it is something else."""
    place = path if path is not None else Path(os.fsdecode(error.filename)) if error.filename else None
    if error.errno in _FULL:
        return _full(f"{place.name} could not be written to {place.parent}" if place is not None else "")
    if place is None or not (error.errno in _FORBIDDEN or error.errno in _IN_THE_WAY or path is not None):
        return None
    if error.errno in _IN_THE_WAY:
        return WorkspaceUnwritableError(
            f"{place} cannot be written ({error.strerror}): a file or folder of this name is in the way. "
            "Name another place."
        )
    return WorkspaceUnwritableError(
        f"{place} cannot be written ({error.strerror}). Check the folder's permissions, or name another "
        "place."
    )


def _database_refusal(words: str) -> WorkspaceUnwritableError | None:
    if any(word in words for word in _FULL_WORDS):
        return _full("a database of the workspace could not be written")
    if "I/O error" in words:
        return WorkspaceUnwritableError(
            "A database of the workspace could not be written: the disk is full, or it fails. Make room, "
            "check the disk and try again; what was there before is untouched."
        )
    if "readonly" in words or "unable to open" in words:
        return WorkspaceUnwritableError(
            f"A database of the workspace cannot be written ({words}). Check the permissions of the "
            "workspace and what is in it, or name another folder with --workspace or HILUM_WORKSPACE."
        )
    if any(word in words for word in _DAMAGED_WORDS):
        return WorkspaceUnwritableError(
            f"A database of the workspace is damaged ({words}). Restore the workspace from a backup, or name "
            "another folder with --workspace or HILUM_WORKSPACE."
        )
    if "locked" in words:
        return WorkspaceUnwritableError(
            "Another process has held a database of the workspace for half a minute. Try again; if it stays "
            "so, `python -m pipeline jobs` shows what runs."
        )
    return None


def _full(what: str = "") -> WorkspaceUnwritableError:
    return WorkspaceUnwritableError(
        f"The disk is full: {what or 'nothing more could be written'}. Make room and try again; what was "
        "there before is untouched."
    )
