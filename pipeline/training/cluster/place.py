"""What a training on a cluster takes: its libraries, and batches that can be divided. Imports no Keras."""

from __future__ import annotations

from pipeline.cluster.place import require_libraries
from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError
from pipeline.training.order import epoch_length
from pipeline.training.plan import Plan

LIBRARIES = ("ray", "jax")


def for_workers(config: TrainConfig) -> TrainConfig:
    """Return `config` as it is trained on a cluster, where the head learns through the backbone.

    Raises:
        ClusterMissingError: Ray or JAX is not installed.
    """
    require_libraries(*LIBRARIES)
    return config.model_copy(update={"feature_copies": 0})


def check_batch(plan: Plan, workers: int) -> None:
    """Make sure that each batch can be divided evenly.

    Raises:
        ConfigError: it cannot.
    """
    labels = plan.labels(plan.part("train"))
    size = min(plan.config.batch_size, epoch_length(labels, balance=plan.config.balance))
    if size % workers:
        raise ConfigError(
            f"A batch of {size} slices cannot be divided evenly over {workers} workers. Take a batch size of "
            f"{-(-size // workers) * workers}, or another number of workers."
        )
