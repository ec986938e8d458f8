"""What workers do in tests: their work, but one of them is killed, and some files hang."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.cluster.place import ClusterError
from pipeline.data import parallel, sandbox
from pipeline.data.spread import SandboxWork
from pipeline.inference.batch_spread import PredictingWork

KILLED = "killed-once"  # a file: a worker was killed already


def _die_once(folder: Path) -> None:
    mark = folder / KILLED
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class PredictAndDie(PredictingWork):
    """Predicts, but the first worker that has answers is killed before it tells them."""

    def __call__(self, slices: Sequence[Any]) -> list[Any]:
        rows = super().__call__(slices)
        _die_once(self._batch.inputs[0].parent)
        return rows


class UnsteadyAndDie(SandboxWork):
    """Reads through a sandbox for which some files hang; the first worker that has answers is killed."""

    def __init__(self, source: Path, request: dict[str, Any]) -> None:
        sandbox._COMMAND = (sys.executable, str(source.parent / "unsteady.py"))
        parallel.TIMEOUT_SECONDS = 2.0
        super().__init__(source, request)

    def __call__(self, files: Sequence[Any]) -> list[Any]:
        answers = super().__call__(files)
        _die_once(self._source.parent)
        return answers


class Echo:
    """Work that is none: the answer is the question."""

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        return list(items)


class Refusing:
    """Work that cannot be done, as a user may read it."""

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        raise ClusterError(f"There is no {items[0]}.")


class Deadly:
    """Work that no worker survives."""

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        os._exit(1)
