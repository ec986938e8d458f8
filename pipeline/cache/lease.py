"""Who has a cache open: readers say so in a way that ends with their process, however it ends."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterator
from pathlib import Path

BUILDERS, READERS = ".lock.db", ".readers.db"


def hold(owner: object, folder: Path) -> None:
    """Say that `owner` reads the cache of `folder`, until it is collected or its process ends.

    Where the folder cannot be written to nobody can evict from it either, and nothing is said.
    """
    with contextlib.suppress(sqlite3.Error):
        connection = sqlite3.connect(
            folder / READERS, timeout=1.0, isolation_level=None, check_same_thread=False
        )
        weakref.finalize(owner, connection.close)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes SQLite's shared lock


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Take a lock's file for oneself without waiting; yield whether that was possible."""
    if not path.parent.is_dir():
        yield True
        return
    with contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            yield False
            return
        yield True
