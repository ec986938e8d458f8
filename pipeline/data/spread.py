"""The sandbox's work on many files, spread over a cluster: each of its cores has a sandbox of its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.cluster.place import Cluster
from pipeline.cluster.spreading import spread
from pipeline.data.parallel import Answered, Through, work_through
from pipeline.data.scan import FoundFile

FILES = 1024  # of a task: what a lost worker costs
FEW = 64  # files, for example archives to look into: below, starting workers costs more than they save


def through(cluster: Cluster | None) -> Through:
    """Return what works through files: this machine, or the cluster."""
    return work_through if cluster is None else partial(work_on_cluster, cluster)


def work_on_cluster(
    cluster: Cluster, source: Path, files: Sequence[FoundFile], *, request: dict[str, Any]
) -> Generator[Answered]:
    """Ask about each file as `work_through` does, over a cluster whose machines all see `source`.

    Raises:
        See `spread`.
    """
    if len(files) < FEW:
        yield from work_through(source, files, request=request)
        return
    needs = [source, *(source / file.path for file in files[:1])]
    working = spread(cluster, SandboxWork, (source, request), files, most=FILES, needs=needs)
    with closing(working):
        for first, answers in working:
            for file, (answer, payload) in zip(files[first : first + len(answers)], answers, strict=True):
                yield file, answer, payload


class SandboxWork:
    """What a worker does: asks its sandbox about files, and kills it where one of them hangs."""

    def __init__(self, source: Path, request: dict[str, Any]) -> None:
        self._source, self._request = source, request

    def __call__(self, files: Sequence[FoundFile]) -> list[tuple[dict[str, Any], bytes]]:
        answered = work_through(self._source, files, request=self._request, workers=1)
        return [(answer, payload) for _, answer, payload in answered]
