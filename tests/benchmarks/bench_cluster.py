"""A cluster on this machine, by one worker and by two: training, batch prediction and indexing.

Of training also how far the weights are apart. A rate is that between the first answer and the last; what
starting takes is a row of its own. Beside batch prediction and indexing stands the same without a cluster.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from pipeline.cluster.place import Cluster
from pipeline.cluster.spreading import spread
from pipeline.data.describe import describe_file
from pipeline.data.index import build_index, remove_dataset
from pipeline.data.inputs import expand_inputs
from pipeline.data.parallel import work_through
from pipeline.data.scan import FoundFile
from pipeline.inference.batch import predict_batch
from pipeline.inference.batch_spread import PredictingWork
from pipeline.runs import RunInfo, RunStore
from pipeline.training.checkpoint import FILE
from pipeline.training.config import TrainConfig
from pipeline.training.train import train
from pipeline.workspace import Workspace
from tests.benchmarks.bench_batch import make_run, write_slices
from tests.cluster import works
from tests.training.small import open_discs

CONFIG = TrainConfig(
    dataset="discs", image_size=96, batch_size=32, epochs=3, patience=0, balance="none", drop_path=0.0
)
SLICES, SIZE = 512, 224
MANY, TASKS = 10_000, 1_000


def run() -> list[dict[str, Any]]:
    """Train, predict and index, each by one worker and by two."""
    return _training() + _reading()


def _training() -> list[dict[str, Any]]:
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


def _reading() -> list[dict[str, Any]]:
    """Predict a folder and index it: without a cluster, over one worker, over two."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        workspace, slices = Workspace.open(Path(folder) / "workspace"), Path(folder) / "slices"
        made = make_run(workspace, size=SIZE)
        write_slices(slices, count=SLICES)

        def predict(cluster: Cluster | None, clock: _Clock) -> None:
            predict_batch(
                workspace, made, [slices], Path(folder) / "out.parquet", cluster=cluster, progress=clock
            )

        def index(cluster: Cluster | None, clock: _Clock) -> None:
            build_index(workspace, slices, name="mine", cluster=cluster, progress=clock)
            remove_dataset(workspace, "mine")

        for what, work in ((f"predict, EfficientNetV2B0 at {SIZE}", predict), ("index", index)):
            clocks = [_Clock() for _ in range(3)]
            for cluster, clock in zip((None, Cluster("local", 1), Cluster("local", 2)), clocks, strict=True):
                work(cluster, clock)
            alone, one, two = clocks
            name = f"cluster: {what}, {SLICES} PNG of 512 x 512"
            rows += [
                {"figure": f"{name}, one worker", "value": one.rate, "unit": "slices/s",
                 "peer": f"without a cluster: {alone.rate:.1f}/s", "ratio": one.rate / alone.rate},
                {"figure": "  the same, two workers", "value": two.rate, "unit": "slices/s",
                 "peer": f"one worker: {one.rate:.1f}/s", "ratio": two.rate / one.rate},
                {"figure": "  until the first answer, two workers", "value": two.start, "unit": "s",
                 "peer": f"without a cluster: {alone.start:.1f} s"},
            ]  # fmt: skip
        rows += _core_times(workspace, made, slices) + _caller_times(workspace, made, slices)
    return rows


def _core_times(workspace: Workspace, made: RunInfo, folder: Path) -> list[dict[str, Any]]:
    """Return what a slice costs a worker's core, waiting not counted: that is the same on a busy machine."""
    ((*slices,),) = expand_inputs([folder])
    work = PredictingWork(made, workspace.pseudonym_key(), [folder])
    work(slices[:32])
    taken = {f"predict at {SIZE}": _core_time(lambda: work(slices))}
    taken["index"] = _core_time(lambda: [describe_file(each.path) for each in slices])
    return [
        {"figure": f"  {what}, time of a core", "value": 1000 * seconds / len(slices), "unit": "ms a slice"}
        for what, seconds in taken.items()
    ]


def _caller_times(workspace: Workspace, made: RunInfo, folder: Path) -> list[dict[str, Any]]:
    """Return what a slice costs the machine that calls, with workers that answer at once, and Ray's share."""
    many = folder.with_name("many")
    many.mkdir()
    for number in range(MANY):
        os.link(folder / "00000.png", many / f"{number:06d}.png")
    ((*slices,),) = expand_inputs([folder / "00000.png"])
    row = PredictingWork(made, workspace.pseudonym_key(), [folder])(slices)[0]
    ((_, answer, payload),) = work_through(folder, [FoundFile("00000.png")], request={"verb": "describe"})

    def answering(what: Any) -> Any:
        return lambda *_, most, **__: ((at, [what] * min(most, MANY - at)) for at in range(0, MANY, most))

    with (
        mock.patch("pipeline.data.spread.spread", answering((answer, payload))),
        mock.patch("pipeline.inference.batch_spread.spread", answering(row)),
        mock.patch("pipeline.inference.batch.connected", lambda _: nullcontext()),
        mock.patch("pipeline.data.index.connected", lambda _: nullcontext()),
        mock.patch("pipeline.data.index._keep_clusters"),
    ):
        taken = {
            "index": _core_time(lambda: build_index(workspace, many, name="many", cluster=Cluster())),
            "predict": _core_time(
                lambda: predict_batch(workspace, made, [many], folder / "many.csv", cluster=Cluster())
            ),
        }
    stamps = [time.perf_counter() for _ in spread(Cluster("local", 2), works.Echo, (), range(TASKS), most=1)]
    return [
        {"figure": f"  {what}, the machine that calls", "value": 1000 * seconds / MANY, "unit": "ms a slice"}
        for what, seconds in taken.items()
    ] + [{"figure": "  tasks that it takes", "value": TASKS / (stamps[-1] - stamps[0]), "unit": "a second"}]


def _core_time(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class _Clock:
    """A progress that takes the time from the first answer to the last.

    Attributes:
        start: seconds until the first answer.
        rate: slices a second from then on.
    """

    def __init__(self) -> None:
        self.start = self.rate = 0.0
        self._made = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._over = False

    def __call__(self, done: int, total: int, message: str = "") -> None:
        now = time.perf_counter()
        if done and total == SLICES and not self._over:
            self._over = done == total
            if self._first is None:
                self._first, self.start = (now, done), now - self._made
            elif done > self._first[1]:
                self.rate = (done - self._first[1]) / (now - self._first[0])


def _rate(run: RunInfo) -> float:
    return float(pd.read_parquet(run.artifacts / "history.parquet")["images_per_second"].iloc[-1])


def _weights(run: RunInfo) -> list[np.ndarray]:
    with np.load(run.artifacts / FILE, allow_pickle=False) as file:
        return [file[name] for name in file.files if name.startswith("v")]
