"""The same training by one worker and by two on one machine: rate, and how far their weights are apart."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from pipeline.cluster.place import Cluster
from pipeline.runs import RunInfo, RunStore
from pipeline.training.checkpoint import FILE
from pipeline.training.config import TrainConfig
from pipeline.training.train import train
from tests.training.small import open_discs

CONFIG = TrainConfig(
    dataset="discs", image_size=96, batch_size=32, epochs=3, patience=0, balance="none", drop_path=0.0
)


def run() -> list[dict[str, Any]]:
    """Train twice; the second worker has no cores of its own, so that what it costs shows."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_discs(Path(folder), patients=16, slices=6)
        found, seconds = [], []
        for workers in (1, 2):
            began = time.perf_counter()
            with mock.patch("pipeline.training.train._export"):
                run_id = train(workspace, CONFIG, cluster=Cluster("local", workers))
            found.append(RunStore(workspace).find(run_id))
            trained = pd.read_parquet(found[-1].artifacts / "history.parquet")["seconds"].sum()
            seconds.append(time.perf_counter() - began - trained)
        one, two = (_rate(run) for run in found)
        apart = max(
            float(np.abs(mine - theirs).max()) for mine, theirs in zip(*map(_weights, found), strict=True)
        )
    name = f"{CONFIG.architecture} at {CONFIG.image_size}, batch {CONFIG.batch_size}"
    return [
        {
            "figure": f"cluster: {name}, two workers",
            "value": two,
            "unit": "images/s",
            "peer": f"one worker on the same cores: {one:.1f}/s",
            "ratio": two / one,
        },
        {"figure": "  largest difference of a weight after three epochs", "value": apart, "unit": ""},
        {"figure": "  start and compilation, two workers", "value": seconds[1], "unit": "s"},
    ]


def _rate(run: RunInfo) -> float:
    return float(pd.read_parquet(run.artifacts / "history.parquet")["images_per_second"].iloc[-1])


def _weights(run: RunInfo) -> list[np.ndarray]:
    with np.load(run.artifacts / FILE, allow_pickle=False) as file:
        return [file[name] for name in file.files if name.startswith("v")]
