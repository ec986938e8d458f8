"""What pages and verbs do with an index that is there: seconds at 1,000, 20,000 and 1,000,000 slices.

The table is made up, column by column as an index has it: reading so many files is `bench_index`'s business.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from pipeline.data.clusters import keep_clusters, keep_pairs, load_clusters
from pipeline.data.datasets import list_datasets, load_index
from pipeline.data.duplicates import DuplicatePairs
from pipeline.data.groups import join_groups
from pipeline.data.index import VERSION
from pipeline.data.splits import list_splits, load_split, make_split
from pipeline.data.table import COLUMNS, build_table
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

SIZES = (1_000, 20_000, 1_000_000)
SPLITS = 5  # that a data set has by the time someone compares them
_NAME = "made-up"


def run() -> list[dict[str, Any]]:
    """Return seconds of each step at each size, and how the cost of a slice changed from the size before."""
    rows = []
    before: dict[str, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            took = _measure(Workspace.open(folder), size)
        for step, seconds in took.items():
            row = {"figure": f"{step}, {size:,} slices", "value": seconds, "unit": "s"}
            if step in before:
                row |= {"peer": "seconds a slice, to the size before", "ratio": seconds / size / before[step]}
            rows.append(row)
            before[step] = seconds / size
    return rows


def _measure(workspace: Workspace, size: int) -> dict[str, float]:
    clusters = write_made_up_index(workspace, _NAME, size)
    took: dict[str, float] = {}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        took[step] = time.perf_counter() - began
        return result

    index = timed("index loaded", lambda: load_index(workspace, _NAME))
    timed("kept clusters loaded", lambda: load_clusters(workspace, _NAME))
    timed("groups joined", lambda: join_groups(index, clusters))
    timed("split by patient", lambda: make_split(workspace, _NAME, group_by="patient"))
    timed("split by cluster", lambda: make_split(workspace, _NAME, group_by="cluster"))
    for seed in range(1, SPLITS - 1):
        make_split(workspace, _NAME, group_by="none", seed=seed)
    timed(f"{SPLITS} splits listed", lambda: list_splits(workspace, _NAME))
    timed("newest split's parts", lambda: load_split(workspace, _NAME).parts())
    timed("data sets listed", lambda: list_datasets(workspace))
    timed("four filters", lambda: _filter(index))
    with mock.patch.dict(os.environ, HILUM_WORKSPACE=str(workspace.root)):
        from dashboard.loaders import explore

        timed("Explore's table, with clusters and parts", lambda: explore.index(_NAME))
    return took


def _filter(index: pd.DataFrame) -> int:
    chosen = (index["status"] == "ok") & index["label"].isin(["positive", "negative"])
    chosen &= (index["source"] == "s1") & index["intensity_mean"].between(40, 90)
    return len(index[chosen])


def write_made_up_index(workspace: Workspace, name: str, size: int) -> pd.Series:
    """Write a data set of so many rows, patients of about 190 slices each, and its clusters; return these."""
    rng = np.random.default_rng(size)
    numbers = np.arange(size)
    patient = numbers // 190
    ids = pd.Series(numbers).map("{:016x}".format)
    label = np.array(["positive", "negative", "non-informative"], object)[
        rng.choice(3, size, p=[0.2, 0.5, 0.3])
    ]
    table = build_table([]).reindex(range(size))
    given: dict[str, Any] = {name: rng.normal(60, 20, size) for name in table.select_dtypes("float64")}
    given |= {
        "slice_id": ids,
        "path": label + pd.Series(numbers).map("/{:07d}.jpg".format),
        "label": label,
        "patient_id": pd.Series(patient).map("P{:05d}".format).where(patient % 10 > 0),
        "source": pd.Series(patient % 4).map("s{}".format),
        "format": "jpeg",
        "intensity": "grey",
        "content_hash": (ids + ids[::-1].reset_index(drop=True)),
        "perceptual_hash": ids,
        "status": np.where(rng.random(size) < 0.001, "corrupt", "ok"),
    }
    given |= {column: 0 for column in ("frame", "mtime_ns")}
    given |= {"bytes": 40_000, "width": 512, "height": 512, "channels": 1, "bit_depth": 8}
    typed = {
        column: pd.Series(value, index=table.index).astype(table[column].dtype)
        for column, value in given.items()
    }
    table = table.assign(**typed)[list(COLUMNS)].sort_values(["path", "frame"], ignore_index=True)
    folder = workspace.dataset_dir(name)
    counts = {str(key): int(count) for key, count in table["label"].value_counts().items()}
    atomic_write_parquet(folder / "index.parquet", table)
    atomic_write_json(
        folder / "dataset.json",
        {"name": name, "source": str(folder), "created": "2020-01-01", "version": VERSION, "synthetic": True}
        | {"updated": "2020-01-01", "state": None, "labels_csv": None, "dropped_columns": []}
        | {"slices": size, "patients": int(table["patient_id"].nunique()), "by_label": counts},
    )
    neighbours = pd.Series(np.arange(size) // 6 * 6)
    clusters = ("C-" + table["slice_id"].reindex(neighbours).reset_index(drop=True)).rename("cluster")
    keep_clusters(workspace, name, clusters)
    first = np.flatnonzero(np.arange(size) % 6)
    none = np.zeros(len(first), bool)
    pairs = DuplicatePairs(first // 6 * 6, first, none.astype(np.float32), none, ~none)
    keep_pairs(workspace, name, pairs)
    return clusters
