"""A batch on this machine: processes read and prepare slices, the network answers beside them."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from pipeline.data.inputs import InputSlice
from pipeline.errors import HilumError
from pipeline.inference.batch_rows import answer_rows
from pipeline.inference.batch_task import Batch, PartRows
from pipeline.inference.batch_work import Prepared, equip, prepare
from pipeline.inference.stream import EngineStream, PendingAnswers
from pipeline.inference.table import Answers

CHUNK = 16  # slices a task of a process
PROCESSES = max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))
FEW = 64  # slices: below, starting processes costs more than they save
_FLYING = 2  # chunks with the network, and beyond one a process prepared, at a time: memory stays flat

Chunk = tuple[int, Sequence[InputSlice]]  # of the part with this number


class BatchError(HilumError):
    """A batch could not go on."""


def answered_here(
    batch: Batch, tell: Callable[[int], None], *, processes: int = PROCESSES
) -> Generator[PartRows]:
    """Yield the rows of each part, when the last of them is there.

    Args:
        tell: hears of how many slices more there is an answer.

    Raises:
        BatchError: a process ended without a word.
    """
    stream = EngineStream(batch.engine)
    try:
        with _workers(batch, processes) as pool:
            yield from answered(batch, stream, pool, tell, ahead=processes + _FLYING)
    finally:
        stream.close()


def answered(
    batch: Batch, stream: EngineStream, pool: Executor, tell: Callable[[int], None], *, ahead: int
) -> Generator[PartRows]:
    """Yield the rows of each part; `pool` prepares slices, `ahead` chunks of them at a time."""
    chunks = [
        (number, some[start : start + CHUNK])
        for number, some in batch.parts
        for start in range(0, len(some), CHUNK)
    ]
    left = {number: len(some) for number, some in batch.parts}
    rows: PartRows | None = None
    for (number, some), prepared, answers in _through(stream, pool, chunks, ahead=ahead):
        rows = rows or (number, [])
        rows[1].extend(answer_rows(batch.engine, batch.run, some, prepared, answers, batch.inputs))
        left[number] -= len(some)
        if not left[number]:
            yield rows
            rows = None
        tell(len(some))


@contextmanager
def _workers(batch: Batch, processes: int) -> Iterator[Executor]:
    pool: Executor
    if sum(len(some) for _, some in batch.parts) < FEW:
        pool = ThreadPoolExecutor(1, initializer=equip, initargs=batch.equipment)
    else:
        # Spawned, not forked: this process has threads (heartbeat, OpenVINO), and Windows knows nothing else.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, mp_context=context, initializer=equip, initargs=batch.equipment)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise BatchError(
            "A process that reads slices ended without a word, most likely for want of memory. What is "
            "finished is kept: close other programs and go on with --resume."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _through(
    stream: EngineStream, pool: Executor, chunks: Sequence[Chunk], *, ahead: int
) -> Iterator[tuple[Chunk, list[Prepared], Answers]]:
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
