"""Training by several processes: the same weights as by one, and what becomes of a lost worker."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.cluster.place import Cluster, ClusterMissingError
from pipeline.cluster.starting import connected
from pipeline.commands.shared import UsageError, chosen_cluster
from pipeline.jobs import JobPaused, JobStopped, JobStore
from pipeline.runs import RunInfo, RunStore
from pipeline.training import outcome
from pipeline.training.batches import EvalBatches, Part, TrainBatches
from pipeline.training.checkpoint import read_state
from pipeline.training.cluster import launch, place, work
from pipeline.training.cluster.starting import WorkerLostError, check_shared
from pipeline.training.cluster.work import WorkspaceNotSharedError
from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError
from pipeline.training.launch import submit_training
from pipeline.training.measure import predict_batches
from pipeline.training.share import Share
from pipeline.training.sweeps import launch_sweep, runs_of
from pipeline.training.train import CHECKPOINT, resume, train
from pipeline.workspace import Workspace
from tests.training import cluster_tiny

installed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("ray", "jax")), reason="no Ray or no JAX"
)
CONFIG = TrainConfig(
    dataset="discs", image_size=32, batch_size=8, epochs=4, head_epochs=1, ema=0.9, dropout=0.2, patience=0,
    learning_rate=1e-4,  # Adam makes steps as long as this of gradients that are rounding errors
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray cluster on this machine, for all tests of this module, whose workers compile a thing once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        with connected(Cluster("local", 2)):
            yield


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tiny: None, cluster: None) -> None:
    """Let workers train the stand-in, and leave out the export where a test does not look at it."""
    monkeypatch.setattr(work, "train_share", cluster_tiny.train_tiny)
    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


@pytest.fixture(scope="module")
def by_one(prepared: Workspace, cluster: None) -> RunInfo:
    """The training by one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "train_share", cluster_tiny.train_tiny)
        patch.setattr("pipeline.training.train._export", lambda *_: None)
        run = train(prepared, CONFIG, cluster=Cluster("local", 1))
    return RunStore(prepared).find(run)


def end_of(run: RunInfo) -> list[np.ndarray]:
    """Return weights, statistics and optimizer as the last checkpoint holds them."""
    with np.load(run.artifacts / CHECKPOINT, allow_pickle=False) as file:
        return [file[name] for name in file.files if name.startswith("v")]


def assert_same_end(run: RunInfo, other: RunInfo) -> None:
    for mine, theirs in zip(end_of(run), end_of(other), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    tables = [
        pd.read_parquet(one.artifacts / "history.parquet")[["epoch", "loss", "val_loss", "learning_rate"]]
        for one in (run, other)
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=False, atol=1e-5)


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_two_workers_train_as_one_does(by_one, prepared):
    run = RunStore(prepared).find(train(prepared, CONFIG, cluster=Cluster("local", 2)))
    assert_same_end(run, by_one)
    assert run.status == "finished"
    assert "2 workers on 1 machine" in (run.artifacts / "log.txt").read_text()
    assert len(RunStore(prepared).history(run.id)) == CONFIG.epochs


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_lost_worker_and_a_stop_leave_the_end_as_it_is(by_one, prepared, monkeypatch):
    monkeypatch.setattr(work, "train_share", cluster_tiny.train_and_lose_one)
    with pytest.raises(JobStopped):
        train(prepared, CONFIG, cluster=Cluster("local", 2), progress=StopAt("Epoch 4"))
    run = RunStore(prepared).list()[0]
    assert (run.artifacts / cluster_tiny.KILLED).exists()
    assert "begin again from the last checkpoint" in (run.artifacts / "log.txt").read_text()
    stopped = read_state(run.artifacts / CHECKPOINT)
    assert (run.status, stopped.epoch) == ("stopped", 3)
    assert 0 < stopped.step < 6
    resume(prepared, run.id)
    assert_same_end(RunStore(prepared).find(run.id), by_one)


def test_a_run_that_loses_too_many_workers_is_paused(prepared, monkeypatch):
    lost: list[int] = []

    @contextmanager
    def losing(*_: Any) -> Iterator[Any]:
        lost.append(1)
        raise WorkerLostError("A worker of the cluster was lost")
        yield

    monkeypatch.setattr(launch, "connected", lambda _: nullcontext())
    monkeypatch.setattr(launch, "started", losing)
    monkeypatch.setattr(launch, "require_libraries", lambda *_: None)
    monkeypatch.setattr(place, "require_libraries", lambda *_: None)
    with pytest.raises(JobPaused, match="pipeline resume"):
        train(prepared, CONFIG, cluster=Cluster("local", 2))
    assert len(lost) == 1 + launch.RESTARTS
    assert RunStore(prepared).list()[0].status == "paused"


@installed
@pytest.mark.usefixtures("small")
def test_a_batch_that_cannot_be_divided_is_refused(prepared):
    with pytest.raises(ConfigError, match="batch size of 9"):
        train(prepared, CONFIG, cluster=Cluster("local", 3))


def test_without_the_libraries_it_says_which_file_to_install(monkeypatch, prepared):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClusterMissingError, match="requirements-cluster.txt"):
        train(prepared, CONFIG, cluster=Cluster())
    with pytest.raises(ClusterMissingError, match="ray and jax"):
        submit_training(prepared, CONFIG, cluster=Cluster())


def test_a_run_knows_where_it_trains():
    assert Cluster.of(Cluster("auto", 3).tags) == Cluster("auto", 3)
    assert Cluster.of(Cluster("head:6379").tags) == Cluster("head:6379")
    assert Cluster.of({}) is None


def test_each_trial_of_a_sweep_trains_on_its_cluster(prepared, monkeypatch):
    monkeypatch.setattr(JobStore, "_spawn", lambda *_: None)
    monkeypatch.setattr(place, "require_libraries", lambda *_: None)
    sweep = launch_sweep(prepared, "architectures", [CONFIG], name="far", cluster=Cluster("auto", 4))
    (run,) = runs_of(prepared, sweep)
    assert Cluster.of(run.tags) == Cluster("auto", 4)
    assert run.params["feature_copies"] == "0"


def test_workers_without_a_cluster_mean_nothing():
    assert chosen_cluster(None, None) is None
    with pytest.raises(UsageError, match="--cluster local"):
        chosen_cluster(None, 2)


class StopAt:
    """A progress whose user presses stop at a message that contains `text`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if self.text in message:
            raise JobStopped


@pytest.fixture
def part() -> Part:
    images = np.random.default_rng(0).integers(0, 255, (10, 40, 40), dtype=np.uint8)
    return Part(images, np.arange(10), np.arange(10) % 2)


def test_shares_of_a_batch_are_the_batch_of_one_process(part):
    config = CONFIG.model_copy(update={"balance": "weights"})
    whole = TrainBatches(part, num_classes=2, config=config)
    shares = [TrainBatches(part, num_classes=2, config=config, share=Share(rank, 4)) for rank in range(4)]
    for batches in (whole, *shares):
        batches.set_epoch(3)
    assert len(shares[0]) == len(whole)
    for field, array in enumerate(whole[0]):
        np.testing.assert_array_equal(array, np.concatenate([share[0][field] for share in shares]))


def test_each_process_reads_its_share_of_the_validation_part(part):
    seen = EvalBatches(part, image_size=32, batch_size=3)
    read: list[list[np.ndarray]] = [[], []]

    class Reading(Share):
        """Keeps what it was given; answers for as many slices as all processes have."""

        def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
            read[self.rank].append(images)
            return np.zeros((self.count * len(images), 2))

    for rank in range(2):
        assert len(predict_batches(None, seen, share=Reading(rank, 2))) == len(part)
    for index, (first, second) in enumerate(zip(*read, strict=True)):
        together = np.concatenate([first, second])
        assert len(together) == 4  # three slices, filled up so that two processes divide them evenly
        np.testing.assert_array_equal(together[: len(seen[index])], seen[index])


@dataclass
class Machine:
    """A worker on a machine that sees only `folder`."""

    folder: Path

    @property
    def sees(self) -> Machine:
        return self

    def remote(self, path: Path, word: str) -> bool:
        return path.is_relative_to(self.folder) and path.read_text() == word


def test_a_machine_that_does_not_see_the_workspace_is_named(tmp_path):
    class Ray:
        get = staticmethod(list)

    run = type("Run", (), {"artifacts": tmp_path / "artifacts"})()
    order = type("Order", (), {"run": run, "root": tmp_path})()
    machines = [Machine(tmp_path), Machine(Path("/elsewhere"))]
    check_shared(Ray, machines[:1], ["one"], order)
    with pytest.raises(WorkspaceNotSharedError, match="not seen on two"):
        check_shared(Ray, machines, ["one", "two"], order)
    assert not list((tmp_path / "artifacts" / "resume").iterdir())
