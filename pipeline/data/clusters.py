"""The copies of a data set, looked for once for each state of its index and kept beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from pipeline.data.datasets import index_file, load_fingerprints, require_manifest
from pipeline.data.duplicates import VERSION, DuplicatePairs, cluster_pairs, find_duplicate_pairs
from pipeline.data.text_columns import hash_texts, join_columns
from pipeline.progress import Progress, no_progress
from pipeline.workspace import Workspace, atomic_file

_STATE = b"hilum.state"


def load_clusters(workspace: Workspace, dataset: str, *, progress: Progress = no_progress) -> pd.Series:
    """Return the near-duplicate cluster of each row of the index, in its order.

    Args:
        progress: hears when copies have to be looked for, because none are kept for this state of the index.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    index = _columns(workspace, dataset)
    kept = _read(_file(workspace, dataset, "clusters"), _state(index))
    if kept is not None:
        return kept["cluster"].astype("str")
    progress(0, 1, f"Looking for copies among {len(index):,} slices")
    clusters = cluster_pairs(index, load_pairs(workspace, dataset))
    keep_clusters(workspace, dataset, clusters)
    return clusters


def load_pairs(workspace: Workspace, dataset: str) -> DuplicatePairs:
    """Return the pairs of copies and neighbours among the rows of the index.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    index = _columns(workspace, dataset)
    kept = _read(_file(workspace, dataset, "pairs"), _state(index))
    if kept is not None:
        return DuplicatePairs(**{name: kept[name].to_numpy() for name in kept.columns})
    pairs = find_duplicate_pairs(index, load_fingerprints(workspace, dataset))
    keep_pairs(workspace, dataset, pairs)
    return pairs


def keep_clusters(workspace: Workspace, dataset: str, clusters: pd.Series) -> None:
    """Keep the cluster of each row beside the index, for the state that it is in."""
    state = _state(_columns(workspace, dataset))
    _write(_file(workspace, dataset, "clusters"), pd.DataFrame({"cluster": clusters}), state)


def keep_pairs(workspace: Workspace, dataset: str, pairs: DuplicatePairs) -> None:
    """Keep the pairs of copies and neighbours beside the index, for the state that it is in."""
    state = _state(_columns(workspace, dataset))
    _write(_file(workspace, dataset, "pairs"), pd.DataFrame(vars(pairs)), state)


def _read(path: Path, state: str) -> pd.DataFrame | None:
    """Return a kept table, None where there is none or it is of another state of the index."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            known = (file.schema_arrow.metadata or {}).get(_STATE)
            return file.read().to_pandas() if known == state.encode() else None
    except FileNotFoundError:
        return None


def _write(path: Path, columns: pd.DataFrame, state: str) -> None:
    table = pyarrow.Table.from_pandas(columns, preserve_index=False)
    with atomic_file(path) as file:
        pyarrow.parquet.write_table(table.replace_schema_metadata({_STATE: state}), file)


def _columns(workspace: Workspace, dataset: str) -> pd.DataFrame:
    require_manifest(workspace, dataset)
    return pd.read_parquet(index_file(workspace, dataset), columns=["slice_id", "content_hash"])


def _file(workspace: Workspace, dataset: str, what: str) -> Path:
    return index_file(workspace, dataset).with_name(f"{what}.parquet")


def _state(index: pd.DataFrame) -> str:
    """Return a hash of what copies depend on."""
    seen = join_columns([index["slice_id"], index["content_hash"]], separator="")
    return hash_texts(seen, before=str(VERSION))[:16]
