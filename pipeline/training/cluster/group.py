"""The processes of a group as one computer: what each computes of a batch, and how all decide alike.

Each step is one program over all devices (`keras.distribution.DataParallel`): gradients, dropout and the
statistics of batch normalisation are those of the whole batch.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np

from models.backend import start_backend
from pipeline.training.share import Share

MOST_READERS = 16


def join_group(rank: int, count: int, address: str, *, beside: int) -> Share:
    """Join the processes that meet at `address`, and let Keras compute on all their devices as on one.

    Args:
        beside: how many of them are on this machine, which share its cores.
    """
    readers = min(MOST_READERS, max(2, (os.cpu_count() or 2) // beside))
    if count == 1:
        start_backend()
        return Share(readers=readers)
    import jax

    jax.distributed.initialize(
        coordinator_address=address,
        num_processes=count,
        process_id=rank,
        coordinator_bind_address=address if rank == 0 else None,
        cluster_detection_method="deactivate",  # it would ask the network what it is part of
    )
    start_backend()
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return GroupShare(rank, count, readers)


class GroupShare(Share):
    """A worker's share; what one decides, all hear."""

    def any(self, flag: bool) -> bool:
        votes = _spread(np.array([flag], np.int32))
        return bool(_computed_by_all("max")(votes))

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        state = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        return np.asarray(_predictor(model)(*state, _spread(images)))


def _sharding(*axes: str | None) -> Any:
    import jax
    import keras

    mesh = keras.distribution.distribution().device_mesh.backend_mesh
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))


def _spread(own: np.ndarray) -> Any:
    """Return the array of which `own` is this process's part along the first axis."""
    import jax

    return jax.make_array_from_process_local_data(_sharding("batch"), own)


@lru_cache
def _computed_by_all(name: str) -> Any:
    """Return the function `name` of `jax.numpy`, whose answer every process gets."""
    import jax

    return jax.jit(getattr(jax.numpy, name), out_shardings=_sharding())


@lru_cache(maxsize=4)
def _predictor(model: Any) -> Any:
    """Return variables and images -> probabilities of the whole batch, which every process gets."""
    import jax

    def predict(trainable: Any, others: Any, images: Any) -> Any:
        return model.stateless_call(trainable, others, images, training=False)[0]

    return jax.jit(predict, out_shardings=_sharding())
