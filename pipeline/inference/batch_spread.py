"""A batch over a cluster: each core reads, prepares and answers some slices at a time, and sends rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipeline.cluster.place import Cluster
from pipeline.cluster.spreading import spread
from pipeline.data.inputs import InputSlice
from pipeline.inference.batch_here import answered
from pipeline.inference.batch_rows import Row
from pipeline.inference.batch_task import Batch, PartRows
from pipeline.inference.batch_work import equip
from pipeline.inference.engine import Engine
from pipeline.inference.stream import EngineStream
from pipeline.runs import RunInfo

SLICES = 512  # of a task: what a lost worker costs
_AHEAD = 2  # chunks that are prepared while the network answers


def answered_on_cluster(batch: Batch, tell: Callable[[int], None], cluster: Cluster) -> Generator[PartRows]:
    """Yield the rows of each part, when the last of them is there; whole parts come in any order.

    Args:
        tell: hears of how many slices more there is an answer.

    Raises:
        See `spread`.
    """
    slices = [each for _, some in batch.parts for each in some]
    part_of = [number for number, some in batch.parts for _ in some]
    sizes = {number: len(some) for number, some in batch.parts}
    needs = [batch.engine.folder / "engine.json", *(each.path for each in slices[:1])]
    equipment = (batch.run, batch.key, [path.absolute() for path in batch.inputs])
    rows: dict[int, dict[int, Row]] = {}
    absolute = [_absolute(each) for each in slices]
    answers = spread(cluster, PredictingWork, equipment, absolute, most=SLICES, needs=needs)
    with closing(answers):
        for first, found in answers:
            for place, row in enumerate(found, start=first):
                number = part_of[place]
                rows.setdefault(number, {})[place] = row | {"path": slices[place].shown}
                if len(rows[number]) == sizes[number]:
                    yield number, [row for _, row in sorted(rows.pop(number).items())]
            tell(len(found))


def _absolute(source: InputSlice) -> InputSlice:
    """Return a slice as another process, in another folder, finds it."""
    return source if source.path.is_absolute() else replace(source, path=source.path.absolute())


class PredictingWork:
    """What a worker does: reads, prepares and answers slices with one core."""

    def __init__(self, run: RunInfo, key: bytes, inputs: Sequence[Path]) -> None:
        self._batch = Batch(run, Engine.load(run), key, inputs)
        equip(*self._batch.equipment)
        self._stream = EngineStream(self._batch.engine, threads=1)
        self._pool = ThreadPoolExecutor(1)

    def __call__(self, slices: Sequence[InputSlice]) -> list[Row]:
        task = replace(self._batch, parts=[(0, slices)])
        ((_, rows),) = answered(task, self._stream, self._pool, lambda _: None, ahead=_AHEAD)
        return rows
