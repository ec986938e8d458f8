"""Connecting to a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.cluster.place import LOCAL, Cluster, ClusterError

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """Connect to the cluster, or start one here that ends with the block; yields Ray.

    Raises:
        ClusterError: it does not answer.
    """
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what it says to its developers
    if cluster.address == LOCAL:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's word for: listen on 127.0.0.1 alone
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 starves them beside other programs
    import ray

    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": cluster.address, "log_to_driver": False, "logging_level": "ERROR"}
    if cluster.address == LOCAL:
        cores = max(os.cpu_count() or 1, cluster.workers or 1)
        options |= {"num_cpus": cores, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        options["runtime_env"] = {"py_modules": [str(ROOT / "models"), str(ROOT / "pipeline")]}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ClusterError(
            f"There is no Ray cluster at {cluster.address!r} ({reason}). Start it "
            "(`ray start --head` on one machine, `ray start --address HOST:6379` on the others), or take "
            "`--cluster local`. Where it was started with a token, set RAY_AUTH_MODE=token and that token "
            "(RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH) here too."
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray's own would end the process before its run is concluded
    try:
        yield ray
    finally:
        ray.shutdown()
