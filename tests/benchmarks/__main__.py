"""`make bench`: run every benchmark of this folder and print one table.

    python -m tests.benchmarks [NAME ...]      only the named ones, for example `bench_index`

A benchmark is a module `bench_<name>.py` whose `run()` gives rows, at the end or as they come: dicts of
`figure`, `value`, `unit`, and, where there is one, the `peer` measured in the same run and the `ratio` to it.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback
from pathlib import Path

import psutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main(names: list[str]) -> int:
    """Run the named benchmarks, all of them where none is named; return 1 if one broke down."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    unknown = set(names) - set(found)
    if unknown:
        sys.stderr.write(f"No benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}\n")
        return 2
    memory = psutil.virtual_memory().total / 2**30
    python = platform.python_version()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {python}\n")
    print(f"| {'figure':58} | {'value':>10} | {'unit':12} | {'peer, same run':46} | {'ratio':>7} |")
    print(f"|{'-' * 60}|{'-' * 11}:|{'-' * 14}|{'-' * 48}|{'-' * 8}:|")
    broken = False
    for name in names or found:
        try:
            for row in importlib.import_module(f"tests.benchmarks.{name}").run():
                print(_line(**row), flush=True)
        except Exception:
            traceback.print_exc()
            broken = True
    return int(broken)


def _line(figure: str, value: float, unit: str, peer: str = "", ratio: float | None = None) -> str:
    beside = "" if ratio is None else f"{ratio:.3g}"
    return f"| {figure:58} | {value:>10.4g} | {unit:12} | {peer:46} | {beside:>7} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
