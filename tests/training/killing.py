"""Trainings that are killed at random moments and resumed, beside one that never was: the bits must be equal.

Children are forked from a process that has loaded the learning library and done nothing with it, so that an
attempt costs a second or two instead of ten.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.runs import RunInfo, RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.plan import make_plan
from pipeline.training.train import CHECKPOINT, begin_run
from pipeline.workspace import Workspace

CONFIG = TrainConfig(
    dataset="discs", image_size=32, batch_size=8, epochs=5, head_epochs=1, feature_copies=0, ema=0.9,
    patience=0, learning_rate=3e-3, threads=1, deterministic=True,
)  # fmt: skip
BATCH_SECONDS = 0.02  # a small network is done with a batch too soon to be met in the middle of an epoch
ENVIRONMENT = {
    "TF_DETERMINISTIC_OPS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
}  # fmt: skip


@dataclass
class Kills:
    """What came of the attempts.

    Attributes:
        kills: attempts that were killed.
        within: of those, how many left a checkpoint of a part of an epoch.
        runs: that ended at last.
        different: names of those that ended otherwise than the one that was never killed.
        seconds: for everything.
    """

    kills: int = 0
    within: int = 0
    runs: int = 0
    different: tuple[str, ...] = ()
    seconds: float = 0.0


def kill_and_compare(workspace: Workspace, *, kills: int, seed: int = 0) -> Kills:
    """Train once without a kill, then kill and resume others `kills` times, and compare how they end.

    Args:
        workspace: holds the data set `discs`, indexed and split.
    """
    began = time.monotonic()
    os.environ.update(ENVIRONMENT)
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.killed"])
    store, draw, found = RunStore(workspace), random.Random(seed), Kills()
    whole = _begin(workspace, store, "whole")
    took = -time.monotonic()
    _attempt(context, workspace, whole, kill_after=None)
    took = -time.monotonic()
    _attempt(context, workspace, _begin(workspace, store, "again"), kill_after=None)
    took += time.monotonic()
    expected = end_of(store.find(whole.id))
    run: RunInfo | None = None
    while found.kills < kills or run is not None:
        run = run or _begin(workspace, store, f"killed-{found.runs}")
        after = draw.uniform(0.0, took) if found.kills < kills else None
        if _attempt(context, workspace, run, kill_after=after):
            found.kills += 1
            found.within += bool(_steps(run))
        if store.find(run.id).status == "finished":
            found.runs += 1
            if not equal_ends(end_of(store.find(run.id)), expected):
                found.different += (run.name,)
            run = None
    found.seconds = time.monotonic() - began
    return found


def end_of(run: RunInfo) -> dict[str, Any]:
    """Return what must be equal: all variables, where the training stands, best weights, history."""
    with np.load(run.artifacts / CHECKPOINT, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "state"}
        state = json.loads(file["state"].tobytes())
    history = pd.read_parquet(run.artifacts / "history.parquet")
    return {
        "arrays": arrays,
        "state": {key: value for key, value in state.items() if key != "seconds"},
        "best": _weights(run.artifacts / "weights.weights.h5"),
        "history": history.drop(columns=["seconds", "images_per_second"]),
        "logged": RunStore(_workspace_of(run)).history(run.id)[["step", "loss", "val_loss", "val_auc"]],
    }


def equal_ends(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two ends are the same, bit for bit."""
    same = one["state"] == other["state"]
    for name in ("arrays", "best"):
        same &= list(one[name]) == list(other[name])
        same &= all(np.array_equal(array, other[name][key]) for key, array in one[name].items())
    return bool(same and all(one[name].equals(other[name]) for name in ("history", "logged")))


def _begin(workspace: Workspace, store: RunStore, name: str) -> RunInfo:
    return begin_run(store, make_plan(workspace, CONFIG.model_copy(update={"name": name})), queued=True)


def _attempt(context: Any, workspace: Workspace, run: RunInfo, *, kill_after: float | None) -> bool:
    """Train or resume in a child; return whether it was killed."""
    from tests.training.killed import go_on

    child = context.Process(target=go_on, args=(str(workspace.root), run.id, BATCH_SECONDS))
    child.start()
    child.join(kill_after)
    if child.exitcode is None:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    if child.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"The training ended with status {child.exitcode}.")
    return child.exitcode != 0


def _steps(run: RunInfo) -> int:
    path = run.artifacts / CHECKPOINT
    if not path.is_file():
        return 0
    with np.load(path, allow_pickle=False) as file:
        return int(json.loads(file["state"].tobytes())["step"])


def _weights(path: Path) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None)
    return found


def _workspace_of(run: RunInfo) -> Workspace:
    return Workspace(run.artifacts.parents[3])
