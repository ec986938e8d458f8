"""Opening files from outside: regular files only, and what an operating system's refusal means."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from pipeline.data.formats import HEAD_BYTES
from pipeline.data.slice_image import SliceError

_NO_FILE = "This is no regular file but a folder, pipe or device."


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading. Pipes and devices are refused: reading them may never end.

    Raises:
        SliceError: `missing-file`, `permission-denied`, `symlink-loop`, `not-a-file` or `read-error`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except IsADirectoryError as error:
        raise SliceError("not-a-file", _NO_FILE) from error
    except OSError as error:
        raise read_failure(error) from error
    except ValueError as error:  # a NUL in the name
        raise SliceError("missing-file", "There is no such file.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SliceError("not-a-file", _NO_FILE)
    return open(descriptor, "rb", buffering=0)


def read_head(source: Path | bytes) -> bytes:
    """Return the first bytes of a file: enough to tell its format."""
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with open_file(source) as file:
        try:
            return file.read(HEAD_BYTES)
        except OSError as error:
            raise read_failure(error) from error


def read_failure(error: OSError) -> SliceError:
    """Return what an operating system's refusal means for a slice."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SliceError("missing-file", "There is no such file.")
    if isinstance(error, PermissionError):
        return SliceError("permission-denied", "The file may not be read: check its permissions.")
    if error.errno == errno.ELOOP:
        return SliceError("symlink-loop", "This link leads back to itself.")
    return SliceError("read-error", f"The file could not be read ({error.strerror or type(error).__name__}).")
