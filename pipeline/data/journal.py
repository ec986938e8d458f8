"""What an unfinished indexing pass has read so far, so that a killed one goes on where it was."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.data.scan import FoundFile

FLUSH_EVERY = 64  # files; a kill loses no more, nor more than were read in so many seconds
FLUSH_SECONDS = 1.0


class Journal:
    """An append-only file of JSON lines, one a file that was read. A line that was cut off is dropped."""

    def __init__(self, path: Path, *, version: int) -> None:
        self.path = path
        self.version = version
        self._unflushed, self._flushed = 0, time.monotonic()

    def __enter__(self) -> Journal:
        self._file = self.path.open("a", encoding="ascii")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, file: FoundFile, rows: list[dict[str, Any]]) -> None:
        """Keep the rows of one file."""
        plain = [
            {
                name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
                for name, value in row.items()
            }
            for row in rows
        ]
        line = {
            "version": self.version,
            "path": file.path,
            "bytes": file.bytes,
            "mtime_ns": file.mtime_ns,
            "rows": plain,
        }
        self._file.write(json.dumps(line) + "\n")
        self._unflushed += 1
        if self._unflushed >= FLUSH_EVERY or time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._unflushed, self._flushed = 0, time.monotonic()

    def load(self, *, binary: tuple[str, ...]) -> Mapping[tuple[str, int, int], list[dict[str, Any]]]:
        """Return the kept rows by (path, bytes, mtime_ns); columns named in `binary` as bytes."""
        return dict(self.entries(binary=binary))

    def entries(
        self, *, binary: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, int, int], list[dict[str, Any]]]]:
        """Yield (path, bytes, mtime_ns) and the rows of one file after the other, as they were added."""
        if not self.path.exists():
            return
        with self.path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if found.get("version") != self.version:
                    continue
                for row in found["rows"]:
                    for name in binary:
                        if row.get(name) is not None:
                            row[name] = base64.b64decode(row[name])
                yield (found["path"], found["bytes"], found["mtime_ns"]), found["rows"]

    def discard(self) -> None:
        """Remove the file: the pass is complete."""
        self.path.unlink(missing_ok=True)
