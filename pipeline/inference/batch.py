"""Predicting thousands of slices: decoding beside the network, finished parts kept, one table at the end."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.inputs import InputSlice, expand_inputs
from pipeline.errors import HilumError
from pipeline.inference.batch_file import Parts, schema
from pipeline.inference.batch_rows import Row, answer_rows
from pipeline.inference.batch_work import Prepared, equip, prepare
from pipeline.inference.engine import Engine
from pipeline.inference.stream import EngineStream, PendingAnswers
from pipeline.inference.table import Answers
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace

CHUNK = 16  # slices a task of a process
PART = 512  # slices that are kept together: what a kill costs at most
PROCESSES = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))
FEW = 64  # slices: below, starting processes costs more than they save
_FLYING = 2  # chunks with the network, and beyond one a process prepared, at a time: memory stays flat


class BatchError(HilumError):
    """A batch could not go on."""


@dataclass(frozen=True)
class BatchSummary:
    """What a batch wrote.

    Attributes:
        statuses: rows by `status`: ok, rejected, error.
        labels: rows with status ok, by answer.
        kept: rows that an earlier, interrupted batch had answered.
        seconds: of this batch.
    """

    path: Path
    rows: int
    statuses: dict[str, int]
    labels: dict[str, int]
    kept: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return what `predict --out --json` prints."""
        return {
            "file": str(self.path),
            "rows": self.rows,
            "statuses": self.statuses,
            "labels": self.labels,
            "kept": self.kept,
            "seconds": self.seconds,
            "notice": NOTICE,
        }

    @property
    def text(self) -> str:
        """Say it in one sentence."""
        counts = self.statuses
        parts = [f"{counts.get('ok', 0):,} answered"]
        parts += [f"{counts['rejected']:,} refused"] if counts.get("rejected") else []
        parts += [f"{counts['error']:,} unreadable"] if counts.get("error") else []
        return f"{self.rows:,} rows in {self.path}: {', '.join(parts)}."


def predict_batch(
    workspace: Workspace,
    run: str | RunInfo,
    inputs: Sequence[Path],
    target: Path,
    *,
    resume: bool = False,
    processes: int = PROCESSES,
    progress: Progress = no_progress,
) -> BatchSummary:
    """Write the answers for all slices of the inputs as one table, a row a slice, in the inputs' order.

    What cannot be read is a row with its reason. A batch that was stopped or killed has lost at most the
    last PART slices; the same call with `resume` goes on.

    Args:
        run: which model.
        inputs: slices, volumes, folders and archives.
        target: `.parquet` or `.csv`.
        resume: go on with what an earlier batch left beside `target`.
        processes: how many read and prepare slices.
        progress: told how many are done, how fast, and how long it will take.

    Raises:
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is nothing to predict
            with.
        BatchFileError: `target` cannot be written as asked for.
        BatchError: a process ended without a word.
    """
    found = RunStore(workspace).find(run) if isinstance(run, str) else run
    engine = Engine.load(found)
    parts = Parts(target.absolute(), schema(engine))
    parts.begin(resume=resume)
    progress(0, 0, "Looking through the folder")
    slices = [each for of_one in expand_inputs(inputs) for each in of_one]
    divided = [slices[start : start + PART] for start in range(0, len(slices), PART)]
    sha256 = engine.facts.sha256["model.bin"]
    paths = [parts.path(number, some, sha256) for number, some in enumerate(divided)]
    waiting = [number for number, path in enumerate(paths) if not path.is_file()]
    began, kept = time.monotonic(), len(slices) - sum(len(divided[number]) for number in waiting)
    pace = _Pace(kept, len(slices), progress)
    todo = [(number, divided[number]) for number in waiting]
    count = sum(len(some) for _, some in todo)
    with _workers(workspace, found, engine, processes, count) as pool:
        for number, rows in _answered(engine, found, pool, todo, inputs, pace, processes + _FLYING):
            parts.write(paths[number], rows)
    statuses, labels = _count(parts, paths)
    parts.join(paths)
    return BatchSummary(parts.target, len(slices), statuses, labels, kept, time.monotonic() - began)


class _Pace:
    """Tells how far a batch is, how fast it goes and how long it will take."""

    def __init__(self, kept: int, total: int, progress: Progress) -> None:
        self._done, self._first, self._total, self._progress = kept, kept, total, progress
        self._began: float | None = None

    def step(self, count: int) -> None:
        """Report `count` slices more; the time of the first ones is mostly that of the processes' start."""
        self._done += count
        words = f"{self._done:,} of {self._total:,} slices"
        if self._began is None:
            self._began, self._first = time.monotonic(), self._done
        elif self._done < self._total and (took := time.monotonic() - self._began) > 1:
            rate = (self._done - self._first) / took
            words += f", {rate:.1f} a second, about {_duration((self._total - self._done) / rate)} left"
        self._progress(self._done, self._total, words)


def _duration(seconds: float) -> str:
    """Write a time to wait.

    >>> _duration(20), _duration(170), _duration(4000)
    ('20 s', '3 min', '1 h 7 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _workers(
    workspace: Workspace, run: RunInfo, engine: Engine, processes: int, count: int
) -> Iterator[Executor]:
    equipment = (engine.recipe.model_dump_json(), str(run.artifacts), workspace.pseudonym_key())
    pool: Executor
    if count < FEW:
        pool = ThreadPoolExecutor(1, initializer=equip, initargs=equipment)
    else:
        # Spawned, not forked: this process has threads (heartbeat, OpenVINO), and Windows knows nothing else.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=equip, initargs=equipment)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise BatchError(
            "A process that reads slices ended without a word, most likely for want of memory. What is "
            "finished is kept: close other programs and go on with --resume."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _answered(
    engine: Engine,
    run: RunInfo,
    pool: Executor,
    divided: Sequence[tuple[int, Sequence[InputSlice]]],
    inputs: Sequence[Path],
    pace: _Pace,
    ahead: int,
) -> Iterator[tuple[int, list[Row]]]:
    """Yield the rows of each part, when the last of them is there."""
    stream = EngineStream(engine)
    chunks = [
        (number, some[start : start + CHUNK])
        for number, some in divided
        for start in range(0, len(some), CHUNK)
    ]
    left = {number: len(some) for number, some in divided}
    rows: dict[int, list[Row]] = {}
    try:
        for (number, some), prepared, answers in _through(stream, pool, chunks, ahead=ahead):
            rows.setdefault(number, []).extend(answer_rows(engine, run, some, prepared, answers, inputs))
            left[number] -= len(some)
            if not left[number]:
                yield number, rows.pop(number)
            pace.step(len(some))
    finally:
        stream.close()


def _through(
    stream: EngineStream,
    pool: Executor,
    chunks: Sequence[tuple[int, Sequence[InputSlice]]],
    *,
    ahead: int,
) -> Iterator[tuple[tuple[int, Sequence[InputSlice]], list[Prepared], Answers]]:
    """Take chunks through processes and network, in their order, the next ones under way meanwhile."""
    preparing: deque[Future[list[Prepared]]] = deque()
    flying: deque[tuple[list[Prepared], PendingAnswers]] = deque()
    begun = ended = 0
    while ended < len(chunks):
        while begun < len(chunks) and len(preparing) < ahead:
            preparing.append(pool.submit(prepare, chunks[begun][1]))
            begun += 1
        if preparing and len(flying) < _FLYING:
            prepared = preparing.popleft().result()
            images = [each.image for each in prepared if each.image is not None]
            flying.append((prepared, stream.send(images)))
            continue
        prepared, pending = flying.popleft()
        yield chunks[ended], prepared, pending.wait()
        ended += 1


def _count(parts: Parts, paths: Sequence[Path]) -> tuple[dict[str, int], dict[str, int]]:
    statuses: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for table in parts.tables(paths):
        answered = zip(table["status"].to_pylist(), table["label"].to_pylist(), strict=True)
        for status, label in answered:
            statuses[status] += 1
            if status == "ok":
                labels[label] += 1
    return dict(statuses), dict(labels)
