"""Predicting thousands of slices: decoding beside the network, finished parts kept, one table at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cluster.place import Cluster
from pipeline.cluster.starting import connected
from pipeline.data.inputs import expand_inputs
from pipeline.data.spread import through
from pipeline.inference.batch_file import Parts, schema
from pipeline.inference.batch_here import PROCESSES, answered_here
from pipeline.inference.batch_spread import answered_on_cluster
from pipeline.inference.batch_task import Batch, PartRows
from pipeline.inference.engine import Engine
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace

PART = 512  # slices that are kept together: what a kill costs at most


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
    cluster: Cluster | None = None,
    progress: Progress = no_progress,
) -> BatchSummary:
    """Write the answers for all slices of the inputs as one table, a row a slice, in the inputs' order.

    What cannot be read is a row with its reason. A batch that was stopped or killed has lost the parts
    that it was at (PART slices each, on a cluster one a worker); the same call with `resume` goes on.

    Args:
        run: which model.
        inputs: slices, volumes, folders and archives.
        target: `.parquet` or `.csv`.
        resume: go on with what an earlier batch left beside `target`.
        processes: how many read and prepare slices, where this machine does it.
        cluster: where slices are read and answered; by default here. Looking through the folder and writing
            is done here.
        progress: told how many are done, how fast, and how long it will take.

    Raises:
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is nothing to predict
            with.
        BatchFileError: `target` cannot be written as asked for.
        BatchError: a process ended without a word.
        ClusterError: the cluster cannot be reached, or does not see slices and model.
    """
    found = RunStore(workspace).find(run) if isinstance(run, str) else run
    engine = Engine.load(found)
    parts = Parts(target.absolute(), schema(engine))
    parts.begin(resume=resume)
    with connected(cluster) if cluster is not None else nullcontext():
        progress(0, 0, "Looking through the folder")
        slices = [each for of_one in expand_inputs(inputs, through=through(cluster)) for each in of_one]
        divided = [slices[start : start + PART] for start in range(0, len(slices), PART)]
        sha256 = engine.facts.sha256["model.bin"]
        paths = [parts.path(number, some, sha256) for number, some in enumerate(divided)]
        todo = [(number, divided[number]) for number, path in enumerate(paths) if not path.is_file()]
        began, kept = time.monotonic(), len(slices) - sum(len(some) for _, some in todo)
        batch = Batch(found, engine, workspace.pseudonym_key(), inputs, todo)
        pace = _Pace(kept, len(slices), progress)
        with closing(_answered(batch, pace, processes, cluster)) as answered:
            for number, rows in answered:
                parts.write(paths[number], rows)
    statuses, labels = _count(parts, paths)
    parts.join(paths)
    return BatchSummary(parts.target, len(slices), statuses, labels, kept, time.monotonic() - began)


def _answered(batch: Batch, pace: _Pace, processes: int, cluster: Cluster | None) -> Generator[PartRows]:
    if cluster is not None:
        return answered_on_cluster(batch, pace.step, cluster)
    return answered_here(batch, pace.step, processes=processes)


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
