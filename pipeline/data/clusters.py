"""The near-duplicate clusters of a data set, computed once for each state of its index and kept beside it."""

from __future__ import annotations

import hashlib

import pandas as pd

from pipeline.data.datasets import index_file, load_fingerprints, load_index
from pipeline.data.duplicates import VERSION, near_duplicate_clusters
from pipeline.workspace import Workspace, atomic_write_parquet


def load_clusters(workspace: Workspace, dataset: str) -> pd.Series:
    """Return the near-duplicate cluster of each row of the index, in its order.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    index = load_index(workspace, dataset)
    state = _state(index)
    kept = index_file(workspace, dataset).with_name("clusters.parquet")
    if kept.exists():
        table = pd.read_parquet(kept)
        if len(table) == len(index) and (table["state"] == state).all():
            return pd.Series(table["cluster"].to_numpy(), index=index.index, name="cluster", dtype="str")
    clusters = near_duplicate_clusters(index, load_fingerprints(workspace, dataset))
    atomic_write_parquet(kept, pd.DataFrame({"cluster": clusters, "state": state}))
    return clusters


def _state(index: pd.DataFrame) -> str:
    """Return a hash of what the clusters depend on."""
    seen = index["slice_id"] + index["content_hash"].fillna("")
    return hashlib.sha256(f"{VERSION}{''.join(seen)}".encode()).hexdigest()[:16]
