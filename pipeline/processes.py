"""Which process it is, whatever the clock does and whoever gets its number next.

A process number is given away again, and a start time in seconds since 1970 moves when the clock is set:
Linux counts it back from now. So a process is known by its number and a key: on Linux by which start of the
machine (or container) it belongs to and the tick at which it began, elsewhere by its start time, which other
systems store once.
"""

from __future__ import annotations

import functools
from pathlib import Path

import psutil

_PROC = Path("/proc")
_BOOT_SLACK = 120.0  # seconds by which a start of the machine may be told wrongly, where a clock tells it


def own_key() -> str:
    """Return the key of this process."""
    key = process_key(psutil.Process().pid)
    return key if key is not None else ""


def process_key(pid: int) -> str | None:
    """Return what tells process `pid` from any other of its number; None where there is none."""
    try:
        if (boot := boot_key()) is not None:
            return f"{boot}:{_start_tick(pid)}"
        return f"{psutil.Process(pid).create_time():.2f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def process_lives(pid: int | None, key: str | None) -> bool:
    """Return whether process `pid` still is the one with this key and no zombie.

    Args:
        pid: its number; None never lives.
        key: of `process_key`; None or empty takes any process of this number.
    """
    if pid is None:
        return False
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        pass
    if not key:
        return True
    if ":" not in key:  # not of Linux, or written by an earlier Hilum
        return _began_at(pid, float(key))
    return process_key(pid) == key


def machine_restarted_since(key: str | None) -> bool:
    """Return whether the machine (or container) was started anew since the process with this key began."""
    if not key:
        return False
    if (boot := boot_key()) is not None and ":" in key:
        return key.rpartition(":")[0] != boot
    try:
        return float(key) < psutil.boot_time() - _BOOT_SLACK
    except ValueError:
        return False


@functools.cache
def boot_key() -> str | None:
    """Return what changes with every start of the machine or container; None where the system tells none."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{_start_tick(1)}"  # a container's first process: the machine itself may run for years
    except OSError:
        return None


def _start_tick(pid: int) -> int:
    """Return the clock tick since the machine's start at which a process began (Linux, proc(5), field 22)."""
    text = (_PROC / str(pid) / "stat").read_text()
    return int(text.rpartition(")")[2].split()[19])  # the name before it may hold blanks and parentheses


def _began_at(pid: int, seconds: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - seconds) < 1.0
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
