"""The curve of a metric as a screen can draw it: of many logged points, what stretches of them come to.

A long training logs hundreds of thousands of points, and a screen has two thousand columns. The store
reduces them where they lie: each stretch of steps becomes its mean, its lowest and its highest value, so that
no spike is lost. What was read once is kept, so that a running training's curve costs only its new points.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.run_info import BATCH_PREFIX, open_local
from pipeline.runs import RunStore

MOST_POINTS = 1000  # of a curve: about the columns that a chart has
MOST_KEPT = 256  # curves of one reader
_AT_ONCE = 4096  # so many points are read as they are; of more the database computes the stretches
_ARRAYS = ("steps", "mean", "low", "high", "count")
_OF_METRIC = "FROM metrics WHERE run_uuid = ? AND key = ? AND step >= ? AND is_nan = 0"


@dataclass(frozen=True)
class Curve:
    """A metric by batch, reduced to stretches of steps of one width; arrays of one length, in order.

    Attributes:
        steps: the last step of each stretch.
        mean, low, high: of the values in it.
        count: how many values it has.
        width: steps of a stretch, a power of two; with 1 the points are as they were logged.
    """

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    width: int = 1

    @property
    def logged(self) -> int:
        """How many points were logged."""
        return int(self.count.sum())

    @property
    def is_reduced(self) -> bool:
        """Whether fewer points are here than were logged."""
        return self.logged > len(self)

    def __len__(self) -> int:
        return len(self.steps)


def curve_of(steps: Sequence[int] | np.ndarray, values: Sequence[float] | np.ndarray) -> Curve:
    """Return the points as a curve that is not reduced. Values that are no number are left out."""
    numbers = np.asarray(values, float)
    is_number = ~np.isnan(numbers)
    kept, numbers = np.asarray(steps, np.int64)[is_number], numbers[is_number]
    return Curve(kept, numbers, numbers, numbers, np.ones(len(kept), np.int64))


def widened(curve: Curve, width: int) -> Curve:
    """Return the curve in stretches of `width` steps, a multiple of its own width."""
    if not len(curve) or width == curve.width:
        return replace(curve, width=width)
    starts = np.flatnonzero(np.diff(curve.steps // width, prepend=-1))
    count = np.add.reduceat(curve.count, starts)
    return Curve(
        steps=np.maximum.reduceat(curve.steps, starts),
        mean=np.add.reduceat(curve.mean * curve.count, starts) / count,
        low=np.minimum.reduceat(curve.low, starts),
        high=np.maximum.reduceat(curve.high, starts),
        count=count,
        width=width,
    )


class CurveReader:
    """Reads metrics by batch, and keeps what it read. For any number of threads."""

    def __init__(self, store: RunStore, *, most: int = MOST_POINTS) -> None:
        self._store = store
        self._most = most
        self._kept: OrderedDict[tuple[str, str], tuple[Curve, int]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, run_id: str, metric: str) -> Curve:
        """Return the curve of `metric` (without its prefix) by batch; empty where none was logged."""
        if self._store.server:
            history = self._store.history(run_id, by="batch")
            if metric not in history:
                return curve_of([], [])
            return self._reduced(curve_of(history["step"].to_numpy(), history[metric].to_numpy()))
        with self._lock, open_local(self._store.database) as connection:
            key = (run_id, metric)
            curve, written = self._kept.pop(key, (curve_of([], []), 0))
            curve, written = self._read_on(connection, run_id, BATCH_PREFIX + metric, curve, written)
            self._kept[key] = curve, written
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return curve

    def _read_on(
        self, connection: sqlite3.Connection, run_id: str, key: str, known: Curve, written: int
    ) -> tuple[Curve, int]:
        """Return the curve with what was logged since, and when its newest point was written."""
        connection.execute("BEGIN")  # one moment's view
        if len(known) and _time_of(connection, run_id, key, int(known.steps[-1])) != written:
            known = curve_of([], [])  # a training that was resumed writes its last points anew
        # The last stretch may be longer by now, so it is read again.
        first = int(known.steps[-1]) // known.width * known.width if len(known) else 0
        known = _before(known, first)
        count, newest = connection.execute(
            f"SELECT count(*), max(step) {_OF_METRIC}", (run_id, key, first)
        ).fetchone()
        if not count:
            return known, 0
        if count <= _AT_ONCE:
            rows = connection.execute(
                f"SELECT step, value {_OF_METRIC} ORDER BY step", (run_id, key, first)
            ).fetchall()
            further = curve_of([step for step, _ in rows], [value for _, value in rows])
        else:
            begin = int(known.steps[0]) if len(known) else first
            further = _stretches(connection, run_id, key, first, newest, self._width(newest - begin))
        curve = self._reduced(_joined(known, further))
        return curve, _time_of(connection, run_id, key, newest)

    def _reduced(self, curve: Curve) -> Curve:
        if len(curve) <= self._most:
            return curve
        return widened(curve, max(curve.width, self._width(int(curve.steps[-1] - curve.steps[0]))))

    def _width(self, span: int) -> int:
        """Return the least power of two that cuts `span` steps into few enough stretches."""
        return 1 << max(0, span // max(1, self._most - 1)).bit_length()


def _stretches(
    connection: sqlite3.Connection, run_id: str, key: str, first: int, newest: int, width: int
) -> Curve:
    """Let the database compute each stretch: a walk along its index, without sorting."""
    query = f"SELECT max(step), avg(value), min(value), max(value), count(*) {_OF_METRIC} AND step < ?"
    begins = range(first // width * width, newest + 1, width)
    found = [
        connection.execute(query, (run_id, key, max(begin, first), begin + width)).fetchone()
        for begin in begins
    ]
    steps, mean, low, high, count = zip(*(row for row in found if row[-1]), strict=True)
    return Curve(np.array(steps), np.array(mean), np.array(low), np.array(high), np.array(count), width)


def _time_of(connection: sqlite3.Connection, run_id: str, key: str, step: int) -> int:
    """Return when the point at `step` was written, 0 where there is none."""
    query = "SELECT max(timestamp) FROM metrics WHERE run_uuid = ? AND key = ? AND step = ?"
    return int(connection.execute(query, (run_id, key, step)).fetchone()[0] or 0)


def _before(curve: Curve, step: int) -> Curve:
    kept = curve.steps < step
    return replace(curve, **{name: getattr(curve, name)[kept] for name in _ARRAYS})


def _joined(first: Curve, second: Curve) -> Curve:
    """Return two curves, one behind the other, in stretches of the wider of both."""
    joined = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _ARRAYS}
    return widened(Curve(**joined, width=0), max(first.width, second.width))
