"""Reading and predicting over the cores of a cluster: what one process says, whatever becomes of workers."""

from __future__ import annotations

import importlib.util
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.cluster import spreading
from pipeline.cluster.place import Cluster, ClusterError, ClusterMissingError, NotSharedError
from pipeline.cluster.spreading import spread
from pipeline.cluster.starting import connected
from pipeline.commands.shared import chosen_cluster
from pipeline.data import spread as data_spread
from pipeline.data.datasets import index_file
from pipeline.data.index import build_index
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.inference import batch, batch_spread
from pipeline.inference.batch import predict_batch
from pipeline.jobs import JobStopped
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.cluster import works
from tests.data.test_unsteady import MISBEHAVE, unsteady
from tests.inference.conftest import as_grey, patient, write_png
from tests.mutants import zip_bytes

__all__ = ["unsteady"]  # a fixture
installed = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray cluster of four cores on this machine, for all tests of this module."""
    with connected(Cluster("local", 4)):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve slices of every kind of file, one of them no picture, and one in an archive."""
    folder = tmp_path_factory.mktemp("archive") / "slices"
    for number, phantom in enumerate(patient()):
        write_png(folder / "pCT" / f"s{number}.png", as_grey(phantom).image)
    (folder / "nCT").mkdir()
    for number, phantom in enumerate(patient(1001)[:4]):
        (folder / "nCT" / f"IM{number}.dcm").write_bytes(encode_dicom(phantom, instance=number + 1))
    (folder / "nCT" / "no.png").write_text("no picture")
    (folder / "nCT" / "more.zip").write_bytes(zip_bytes({"z.png": (folder / "pCT/s3.png").read_bytes()}))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a finished run `small`."""
    workspace = Workspace.open(tmp_path_factory.mktemp("home") / "workspace")
    store = RunStore(workspace)
    made = store.create("small", {}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), made.artifacts / "engine")
    store.finish(made.id)
    return workspace


@pytest.fixture(scope="module")
def by_one(home: Workspace, folder: Path) -> pd.DataFrame:
    """The table by one process."""
    target = home.root / "one.parquet"
    predict_batch(home, "small", [folder], target)
    return pd.read_parquet(target)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PART", 5)


def assert_same(table: pd.DataFrame, other: pd.DataFrame) -> None:
    """The same rows in the same order; a network computes as exactly by one thread as by several."""
    pd.testing.assert_frame_equal(table, other, check_exact=False, rtol=0, atol=1e-6)


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("cluster", "small_parts")
def test_a_batch_by_four_workers_of_which_one_is_killed_is_that_of_one(
    home, folder, by_one, tmp_path, monkeypatch
):
    monkeypatch.setattr(batch_spread, "PredictingWork", works.PredictAndDie)
    monkeypatch.chdir(folder.parent)
    told: list[int] = []
    summary = predict_batch(
        home,
        "small",
        [folder],
        tmp_path / "four.parquet",
        cluster=Cluster("local", 4),
        progress=lambda done, total, message="": told.append(done),
    )
    assert (folder.parent / works.KILLED).exists()
    assert_same(pd.read_parquet(tmp_path / "four.parquet"), by_one)
    assert (summary.rows, summary.statuses["error"]) == (12, 1)
    assert told == sorted(told) and told[-1] == 12


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("cluster", "small_parts")
def test_a_batch_that_was_stopped_on_a_cluster_goes_on_without(home, folder, by_one, tmp_path, monkeypatch):
    def stop_after_eight(done: int, total: int, message: str = "") -> None:
        if done >= 8:
            raise JobStopped("Stopped on request.")

    monkeypatch.chdir(folder.parent)
    inputs, target = [Path("slices")], tmp_path / "out.parquet"
    with pytest.raises(JobStopped):
        predict_batch(home, "small", inputs, target, cluster=Cluster("local", 2), progress=stop_after_eight)
    summary = predict_batch(home, "small", inputs, target, resume=True)
    assert summary.kept >= 5
    table = pd.read_parquet(target)
    assert list(table["path"].iloc[:1]) == [str(Path("slices/nCT/IM0.dcm"))]
    assert_same(table.drop(columns="path"), by_one.drop(columns="path"))


@installed
@pytest.mark.slow
@pytest.mark.usefixtures("cluster", "unsteady")
def test_an_index_by_two_workers_of_which_one_is_killed_is_that_of_one(folder, tmp_path, monkeypatch):
    source = shutil.copytree(folder, tmp_path / "slices")
    shutil.copyfile(source / "pCT" / "s3.png", source / "pCT" / "slow.png")
    (tmp_path / "unsteady.py").write_text(textwrap.dedent(MISBEHAVE))
    monkeypatch.setattr(data_spread, "SandboxWork", works.UnsteadyAndDie)
    monkeypatch.setattr(data_spread, "FEW", 2)  # the archive's one slice is read here
    tables = []
    for where in (None, Cluster("local", 2)):
        workspace = Workspace.open(tmp_path / f"workspace-{where is None}")
        (workspace.root / "secret.key").write_bytes(bytes(32))
        summary = build_index(workspace, source, name="set", cluster=where)
        assert summary.slices == 13
        assert {(error["path"], error["code"]) for error in summary.errors} == {
            ("nCT/no.png", "not-an-image"),
            ("pCT/slow.png", "timeout"),
        }
        tables.append(index_file(workspace, "set").read_bytes())
    assert (tmp_path / works.KILLED).exists()
    assert tables[0] == tables[1]


@installed
@pytest.mark.usefixtures("cluster")
def test_what_a_worker_cannot_do_is_said_as_it_says_it():
    with pytest.raises(ClusterError, match="There is no slice 7"):
        list(spread(Cluster("local", 1), works.Refusing, (), ["slice 7"], most=1))


@installed
@pytest.mark.usefixtures("cluster")
def test_a_task_that_no_worker_survives_is_given_up(monkeypatch):
    monkeypatch.setattr(spreading, "RETRIES", 0)
    with pytest.raises(ClusterError, match="want of memory"):
        list(spread(Cluster("local", 1), works.Deadly, (), ["a"], most=1))


def test_more_workers_than_cores_are_refused(monkeypatch):
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0})
    monkeypatch.setattr(spreading, "connected", lambda _: nullcontext(ray))
    with pytest.raises(ClusterError, match="at most 4 workers; 5 came"):
        next(spread(Cluster("auto", 5), works.Refusing, (), ["a"], most=1))


def test_a_machine_that_does_not_see_the_slices_is_named(tmp_path):
    worker = spreading._Worker(works.Refusing, (), [tmp_path / "slices"])
    answers = spreading.pickle.loads(worker({"first": 0, "items": spreading.pickle.dumps([1])})["answers"])
    assert isinstance(answers, NotSharedError)
    assert "slices is not seen on" in str(answers)


def test_without_ray_it_says_which_file_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClusterMissingError, match="needs ray: install .* requirements-cluster.txt"):
        chosen_cluster("local", None, libraries=("ray",))
