"""Where a training may run, and what it takes to run there. Imports neither Ray nor Keras."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError, TrainingError
from pipeline.training.order import epoch_length
from pipeline.training.plan import Plan

LOCAL = "local"
_ADDRESS_TAG, _WORKERS_TAG = "hilum.cluster", "hilum.workers"


class ClusterMissingError(TrainingError):
    """Ray or JAX is not installed."""


class ClusterError(TrainingError):
    """The cluster cannot be reached, or has too few devices."""


@dataclass(frozen=True)
class Cluster:
    """Where to train.

    Attributes:
        address: `local` (this machine), `auto` (the Ray cluster that this machine is part of), or Ray's
            HOST:PORT.
        workers: processes; None takes one a GPU, or one a machine where there is no GPU.
    """

    address: str = LOCAL
    workers: int | None = None

    @property
    def tags(self) -> dict[str, str]:
        """What a run keeps of it."""
        return {_ADDRESS_TAG: self.address, _WORKERS_TAG: str(self.workers or "")}

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Cluster | None:
        """Return where the run with these tags trains, None where it trains in its own process."""
        if _ADDRESS_TAG not in tags:
            return None
        return cls(tags[_ADDRESS_TAG], int(tags.get(_WORKERS_TAG) or 0) or None)

    def prepared(self, config: TrainConfig) -> TrainConfig:
        """Return `config` as it is trained on a cluster, where the head learns through the backbone.

        Raises:
            ClusterMissingError: Ray or JAX is not installed.
        """
        require_libraries()
        return config.model_copy(update={"feature_copies": 0})


def require_libraries() -> None:
    """Make sure that Ray and JAX are there.

    Raises:
        ClusterMissingError: they are not.
    """
    missing = [name for name in ("ray", "jax") if importlib.util.find_spec(name) is None]
    if missing:
        raise ClusterMissingError(
            f"--cluster needs {' and '.join(missing)}: install them with `python -m pip install -r "
            "requirements-cluster.txt`, on every machine of the cluster."
        )


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
