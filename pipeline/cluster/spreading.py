"""Spreading a long list of small things over the cores of a Ray cluster, answers as they come.

Ray Data does it (`map` over a pool of actors): it sends tasks ahead, holds them back where nobody takes the
answers, starts a lost worker anew and gives its tasks to it again; plain actors would need that written here.
Its rows come in any order, so each carries its place. Nothing of it touches pixels or tables: a row is bytes.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from pipeline.cluster.place import Cluster, ClusterError, NotSharedError
from pipeline.cluster.starting import connected
from pipeline.errors import HilumError

ROUNDS = 8  # tasks that each worker gets at least, so that all end at about the same time
RETRIES = 3  # of a task whose worker was lost

Work = Callable[[Sequence[Any]], Sequence[Any]]


def spread(
    cluster: Cluster,
    make_work: Callable[..., Work],
    equipment: Sequence[Any],
    items: Sequence[Any],
    *,
    most: int,
    needs: Sequence[Path] = (),
) -> Generator[tuple[int, list[Any]]]:
    """Yield the answers to `items` as they come: the place of the first, and those from there on.

    A worker takes one core and makes its work once, `make_work(*equipment)`; that is then asked about some
    items at a time and answers each. One that is lost costs the items that it had in hand: they are asked
    about again. Closing the iterator ends the work.

    Args:
        make_work: a class or function of this project, which each worker imports.
        most: items of a task: what a lost worker costs.
        needs: paths that every machine must see, as far as this one does: of one that is not here, the
            folder or archive that should hold it.

    Raises:
        ClusterError: there is no cluster, it has too few cores, or workers were lost again and again.
        NotSharedError: a machine does not see what it needs.
        HilumError: what `work` raises.
    """
    if not items:
        return
    with connected(cluster) as ray:
        count = _count(ray, cluster)
        size = max(1, min(most, -(-len(items) // (count * ROUNDS))))
        tasks = [
            {"first": first, "items": pickle.dumps(list(items[first : first + size]))}
            for first in range(0, len(items), size)
        ]
        duty = (make_work, tuple(equipment), [_nearest(path.absolute()) for path in needs])
        rows = iter(_answers(ray, tasks, duty, min(count, len(tasks))))
        try:
            for row in rows:
                answers = pickle.loads(row["answers"])
                if isinstance(answers, HilumError):
                    raise answers
                yield int(row["first"]), answers
        except ray.exceptions.RayActorError as error:
            raise ClusterError(
                f"The cluster lost a worker {RETRIES + 1} times over the same task, most likely for want of "
                "memory. What is finished is kept: take fewer workers with --workers, and go on."
            ) from error
        finally:
            rows.close()


def _count(ray: Any, cluster: Cluster) -> int:
    """Return how many workers there are to be."""
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cluster.workers and cluster.workers > cores:
        raise ClusterError(
            f"The cluster has {cores} cores: it takes at most {cores} workers; {cluster.workers} came."
        )
    return cluster.workers or max(1, cores)


def _answers(ray: Any, tasks: list[dict[str, Any]], duty: tuple[Any, ...], workers: int) -> Any:
    """Return an iterable of the rows that come back."""
    import ray.data as data

    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # other work may have the cores for hours
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset = data.from_items(tasks, override_num_blocks=len(tasks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `max_task_retries` is to get another name
        answers = dataset.map(
            _Worker,
            fn_constructor_args=duty,
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            max_task_retries=RETRIES,
        )
    return answers.iter_rows()


class _Worker:
    """The actor. It makes its work with the first task, so that what is wrong with it is an answer too."""

    def __init__(
        self, make_work: Callable[..., Work], equipment: Sequence[Any], needs: Sequence[Path]
    ) -> None:
        self._make, self._equipment, self._needs = make_work, equipment, needs
        self._work: Work | None = None

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._work is None:
                _check_seen(self._needs)
                self._work = self._make(*self._equipment)
            answers: Any = list(self._work(pickle.loads(task["items"])))
        except HilumError as error:
            answers = error
        return {"first": task["first"], "answers": pickle.dumps(answers)}


def _nearest(path: Path) -> Path:
    """Return what is here of a path."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _check_seen(paths: Sequence[Path]) -> None:
    for path in paths:
        if not os.path.lexists(path):
            raise NotSharedError(
                f"{path} is not seen on {socket.gethostname()}. Put the slices and the workspace on a folder "
                "that all machines of the cluster see under the same path (a network folder)."
            )
