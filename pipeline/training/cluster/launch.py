"""Training a run on a cluster.

    python -m pipeline train --dataset NAME --cluster local|auto|HOST:PORT [--workers N]

It is the same training (`fit_model`) with the batch divided over the workers, one process a device, and the
same run: watched, stopped, resumed and compared like any other. A worker that is lost costs what came after
the last checkpoint: all begin again from there, a few times; then the run is paused.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.cache.store import SliceCache, content_key
from pipeline.cluster.place import Cluster, require_libraries
from pipeline.cluster.starting import connected
from pipeline.runs import RunInfo, RunStore
from pipeline.training.checkpoint import FILE, Fitted
from pipeline.training.cluster import work
from pipeline.training.cluster.place import LIBRARIES
from pipeline.training.cluster.starting import WorkerLostError, check_shared, got, started
from pipeline.training.cluster.work import Order
from pipeline.training.cluster.worker import WAIT_SECONDS, Seat
from pipeline.training.errors import WorkersLostError
from pipeline.training.facts import write_environment
from pipeline.training.journal import Journal
from pipeline.training.plan import BEST, Plan
from pipeline.training.switch import StopSwitch
from pipeline.workspace import Workspace

RESTARTS = 3  # within an epoch; then the run is paused
ASKED = ("parameters", "steps", "forget", "epoch")  # what workers tell and wait for
DEATH_SECONDS = 15.0  # after a fault of one worker, for news that it came of the loss of another


def fit_on_cluster(
    cluster: Cluster,
    workspace: Workspace,
    plan: Plan,
    cache: SliceCache,
    journal: Journal,
    switch: StopSwitch,
) -> Fitted:
    """Train as `fit_model` does, on a cluster, from the run's checkpoint if it has one.

    Raises:
        ClusterError: there is no cluster, or it has too few devices.
        ConfigError: the batch cannot be divided evenly.
        WorkspaceNotSharedError: another machine does not see the workspace.
        WorkersLostError: workers were lost again and again.
        See `fit_model`.
    """
    require_libraries(*LIBRARIES)
    conductor = Conductor(journal, switch)
    key = content_key(cache.index)
    with connected(cluster) as ray:
        while True:
            run = journal.store.find(journal.run.id)
            order = Order(workspace.root, run, _for_workers(plan, run, journal.store), key)
            try:
                with started(ray, cluster, plan) as workers:
                    return conductor.conduct(ray, workers, order)
            except WorkerLostError as error:
                conductor.lost += 1
                if conductor.lost > RESTARTS:
                    raise WorkersLostError(
                        f"The cluster lost a worker {conductor.lost} times without a whole epoch between "
                        f"({error}). Look at its machines and their memory."
                    ) from error
                journal.say(
                    f"{error}: all begin again from the last checkpoint (time {conductor.lost} of at most "
                    f"{RESTARTS} within an epoch)."
                )


class Conductor:
    """Talks to the workers of one training after the other, and does what only this machine can.

    Attributes:
        lost: how often a worker was lost since the last whole epoch.
    """

    def __init__(self, journal: Journal, switch: StopSwitch) -> None:
        self.lost = 0
        self._journal = journal
        self._switch = switch
        self._where = (0, 1, "Starting the workers")
        self._group: dict[str, Any] = {}

    def conduct(self, ray: Any, workers: Sequence[Any], order: Order) -> Fitted:
        """Let `workers` train, and return how it ended.

        Raises:
            WorkerLostError: one of them is gone.
            See `fit_on_cluster`.
        """
        places = got(ray, [worker.place.remote() for worker in workers])
        hosts = [host for host, _ in places]
        check_shared(ray, workers, hosts, order)
        self._group = {"workers": len(workers), "hosts": sorted(set(hosts))}
        meeting, sent = f"{places[0][0]}:{places[0][1]}", ray.put(order)
        for rank, worker in enumerate(workers):
            seat = Seat(rank, len(workers), meeting, beside=hosts.count(hosts[rank]))
            worker.begin.remote(work.train_share, seat, sent)
        ended: dict[int, Fitted] = {}
        pending = {worker.exchange.remote(False, []): rank for rank, worker in enumerate(workers)}
        while len(ended) < len(workers):
            for news in ray.wait(list(pending), timeout=WAIT_SECONDS)[0]:
                rank, replies = pending.pop(news), []
                for kind, values in got(ray, [news])[0]:
                    if kind == "failed":
                        raise self._cause(ray, workers, values[0])
                    if kind == "ended":
                        ended[rank] = values[0]
                    replies += self._answer(kind, values)
                pending[workers[rank].exchange.remote(self._switch.asked, replies)] = rank
            self._switch(*self._where)  # the user may want to stop while a step compiles
        return ended[0]

    def _answer(self, kind: str, values: tuple[Any, ...]) -> list[Any]:
        """Do what a worker tells of; return the reply that it waits for, if it does."""
        journal, store, run = self._journal, self._journal.store, self._journal.run
        if kind == "progress":
            self._where = values
            self._switch(*values)
        elif kind == "joined":
            write_environment(run, self._group | values[0])
            journal.say(f"{self._said}; Keras on JAX.")
        elif kind == "parameters":
            store.log_params(run.id, values[0])
        elif kind == "steps":
            journal.steps(values[0])
        elif kind == "forget":
            store.forget_after(run.id, epoch=values[0], batch=values[1])
        elif kind == "epoch":
            self.lost = 0
            self._switch.epoch_done(*values)
            return [(self._switch.asked, self._switch.pruned)]
        return [None] if kind in ASKED else []

    @property
    def _said(self) -> str:
        workers, hosts = self._group["workers"], len(self._group["hosts"])
        return f"{workers} worker{'s' if workers > 1 else ''} on {hosts} machine{'s' if hosts > 1 else ''}"

    def _cause(self, ray: Any, workers: Sequence[Any], error: BaseException) -> BaseException:
        """Return what is behind a worker's fault: that another was lost, where that is so."""
        if not isinstance(error, RuntimeError):
            return error
        until = time.monotonic() + DEATH_SECONDS
        while time.monotonic() < until:
            try:
                got(ray, [worker.exchange.remote(False, []) for worker in workers])
            except WorkerLostError as lost:
                return lost
        return error


def _for_workers(plan: Plan, run: RunInfo, store: RunStore) -> Plan:
    """Return what workers need of a plan: they do not read the runs' database."""
    config = plan.config
    if config.weights.startswith("run:") and not (run.artifacts / FILE).is_file():
        other = store.find(config.weights.removeprefix("run:"))
        same = tuple(other.class_names) == plan.classes
        if same or len(other.class_names) != len(plan.classes):  # else the head would fit, and mean others
            config = config.model_copy(update={"weights": f"file:{other.artifacts / BEST}"})
    return replace(plan, config=config, table=plan.table[["slice_id", "label", "part"]])
