"""Starting the workers of a group on a Ray cluster, together or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.cluster.place import Cluster, ClusterError
from pipeline.training.cluster.place import check_batch
from pipeline.training.cluster.work import Order, WorkspaceNotSharedError
from pipeline.training.cluster.worker import Worker
from pipeline.training.config import TrainConfig
from pipeline.training.plan import Plan
from pipeline.workspace import atomic_write_text

PATIENCE_SECONDS = 60.0  # for devices that are taken, or a machine that comes back


class WorkerLostError(Exception):
    """A worker of the group is gone: its process was killed, or its machine."""


@contextlib.contextmanager
def started(ray: Any, cluster: Cluster, plan: Plan) -> Iterator[list[Any]]:
    """Start the workers, together or not at all; they end with the block."""
    count, device = _wanted(ray, cluster)
    check_batch(plan, count)
    strategy = "PACK" if "GPU" in device else "SPREAD"
    group = ray.util.placement_group([device] * count, strategy=strategy)
    workers: list[Any] = []
    try:
        if not group.wait(PATIENCE_SECONDS):
            raise ClusterError(
                f"The cluster has no {count} free {'GPUs' if 'GPU' in device else 'processors'} for as many "
                "workers. Wait until others are done, or take fewer with --workers."
            )
        actor = ray.remote(num_cpus=device["CPU"], num_gpus=device.get("GPU", 0))(Worker)
        for place in range(count):
            chosen = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group, place)
            environment = _environment(plan.config, on_gpu="GPU" in device)
            workers.append(actor.options(scheduling_strategy=chosen).remote(environment))
        yield workers
    finally:
        for worker in workers:
            ray.kill(worker)
        ray.util.remove_placement_group(group)


def _wanted(ray: Any, cluster: Cluster) -> tuple[int, dict[str, float]]:
    """Return how many workers there are to be, and what each takes."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    machines = sum(node["Alive"] for node in ray.nodes())
    count = cluster.workers or gpus or machines
    if gpus and count > gpus:
        raise ClusterError(f"The cluster has {gpus} GPUs: it takes at most {gpus} workers; {count} came.")
    return count, {"CPU": 1, "GPU": 1} if gpus else {"CPU": 1}


def _environment(config: TrainConfig, *, on_gpu: bool) -> dict[str, str]:
    """Return what a worker's libraries are told before they are loaded."""
    told = {"KERAS_BACKEND": "jax", "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if not on_gpu:
        told["JAX_PLATFORMS"] = "cpu"
    elif config.deterministic:
        told["XLA_FLAGS"] = "--xla_gpu_deterministic_ops=true"
    return told


def check_shared(ray: Any, workers: Sequence[Any], hosts: Sequence[str], order: Order) -> None:
    """Make sure that every machine sees the workspace: they all read what is written here."""
    path, word = order.run.artifacts / "resume" / "shared", secrets.token_hex(8)
    atomic_write_text(path, word)
    seen = got(ray, [worker.sees.remote(path, word) for worker in workers])
    path.unlink()
    blind = sorted({host for host, sees in zip(hosts, seen, strict=True) if not sees})
    if blind:
        raise WorkspaceNotSharedError(
            f"The workspace {order.root} is not seen on {', '.join(blind)}. Put it on a folder that all "
            "machines of the cluster see under the same path (a network folder), and name that with "
            "--workspace."
        )


def got(ray: Any, answers: Sequence[Any]) -> list[Any]:
    """Return what workers answer.

    Raises:
        WorkerLostError: one of them is gone.
    """
    try:
        return list(ray.get(list(answers)))
    except ray.exceptions.RayActorError as error:
        raise WorkerLostError("A worker of the cluster was lost") from error
