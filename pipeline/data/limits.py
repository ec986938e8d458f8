"""The memory that a decoding worker may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MEMORY_BYTES = 800 * 2**20  # that reading may take; with its libraries a worker stays below a gigabyte


def limit_memory() -> None:
    """Allow this process so many bytes of addresses beyond those that it has by now, and no core files."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no `resource` on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_addresses() + MEMORY_BYTES, highest))


def _addresses() -> int:
    """Return the bytes of addresses this process has, a gigabyte where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**30
