"""Where work may run, and what it takes to run there. Does not import Ray.

ClusterError                  the cluster cannot be reached, is too small, or lost too much
+-- ClusterMissingError       its libraries are not installed
+-- NotSharedError            a machine of it does not see what it is to work on
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import HilumError

LOCAL = "local"
_ADDRESS_TAG, _WORKERS_TAG = "hilum.cluster", "hilum.workers"


class ClusterError(HilumError):
    """The cluster cannot be reached, or has too few devices."""


class ClusterMissingError(ClusterError):
    """Ray, or what else work on a cluster takes, is not installed."""


class NotSharedError(ClusterError):
    """A machine of the cluster does not see a file that its work is about."""


@dataclass(frozen=True)
class Cluster:
    """Where to work.

    Attributes:
        address: `local` (this machine), `auto` (the Ray cluster that this machine is part of), or Ray's
            HOST:PORT.
        workers: processes; None takes as many as the work suits: to train, one a GPU, or one a machine where
            there is no GPU; to read slices, one a core.
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


def require_libraries(*names: str) -> None:
    """Make sure that these libraries are there.

    Raises:
        ClusterMissingError: they are not.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ClusterMissingError(
            f"--cluster needs {' and '.join(missing)}: install them with `python -m pip install -r "
            "requirements-cluster.txt`, on every machine of the cluster."
        )
