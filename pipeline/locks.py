"""A lock between processes that dies with its holder and works the same on every system."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def only_one(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Let one process at a time into the block; the others wait.

    SQLite's own file lock is used: the system releases it when the process ends, however it ends.

    Args:
        path: the lock's file, made if need be and left behind, empty.
        waiting: called about once a second while another process is inside; may raise to give up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) and "busy" not in str(error):
                    raise
            if waiting is not None:
                waiting()
            time.sleep(0.01)
        yield
