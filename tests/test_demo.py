"""The demo: built once, kept after; its model is the one its card describes and knows no demo patient."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from models import find_architecture
from models.weights import phantom_weights
from pipeline.data.datasets import list_datasets, load_index
from pipeline.data.phantom import GENERATOR_VERSION
from pipeline.data.splits import load_split
from pipeline.demo import FIRST_SEED, build_demo
from pipeline.demo_model import (
    ASSETS,
    TESTING_SEEDS,
    TRAINING_SEEDS,
    WEIGHTS,
    DemoModelMissingError,
    _history,
    load_shipped_model,
)
from pipeline.inference.engine import Engine
from pipeline.preprocessing.recipe import STAGE_VERSIONS
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

PATIENTS = 12


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a small demo."""
    workspace = Workspace.open(tmp_path_factory.mktemp("demo"))
    build_demo(workspace, patients=PATIENTS)
    return workspace


def test_the_demo_is_a_synthetic_data_set_split_by_patient(workspace):
    (dataset,) = [info for info in list_datasets(workspace) if info.name == "demo"]
    assert dataset.synthetic and dataset.patients == PATIENTS
    index = load_index(workspace, "demo")
    assert len(index) == 10 * PATIENTS and (index["status"] == "ok").all()
    assert set(index["label"]) == {"positive", "negative", "non-informative"}
    assert set(index["format"]) == {"png", "dicom"}
    assert set(index.loc[index["format"] == "dicom", "intensity"]) == {"hu"}
    split = load_split(workspace, "demo")
    assert split.group_by == "patient"
    assert (split.table.groupby("patient_id")["part"].nunique() == 1).all()


def test_the_demo_run_is_whole_and_marked_synthetic(workspace):
    run = RunStore(workspace).find("demo")
    assert run.status == "finished" and run.tags["synthetic"] == "true" and run.params["dataset"] == "demo"
    predictions = pd.read_parquet(run.artifacts / "predictions" / "test.parquet")
    assert len(predictions) == 10 * PATIENTS and set(predictions["part"]) == {"test"}
    probabilities = predictions[[f"probability_{name}" for name in run.class_names]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert {"lesion_size", "finding", "source", "group"} <= set(predictions)
    assert (predictions["y_pred"] == predictions["y_true"]).mean() > 0.6
    engine = Engine.load(run)
    assert list(engine.classes) == run.class_names and engine.facts.heat_range


def test_the_model_has_seen_no_demo_patient(workspace):
    run = RunStore(workspace).find("demo")
    seen = pd.read_parquet(run.artifacts / "seen.parquet")
    index = load_index(workspace, "demo")
    assert len(seen) > 1000
    assert not set(seen["patient_id"]) & set(index["patient_id"])
    assert not set(seen["content_hash"]) & set(index["content_hash"])


def test_the_epoch_that_is_called_best_is_the_best_of_those_shown(workspace):
    run = RunStore(workspace).find("demo")
    curve = RunStore(workspace).history(run.id).set_index("step")["val_auc"].dropna()
    assert curve.index.tolist() == list(range(1, int(run.metrics["epoch"]) + 1))
    assert (run.metrics["best_epoch"], run.metrics["best_val_auc"]) == (curve.idxmax(), curve.max())


def test_epochs_of_several_trainings_are_counted_on(tmp_path):
    runs = []
    for name, values in (("a", [0.5, 0.7]), ("b", [0.6])):
        (tmp_path / name).mkdir()
        table = pd.DataFrame({"epoch": range(1, len(values) + 1), "val_auc": values, "best_epoch": 1})
        table.to_parquet(tmp_path / name / "history.parquet")
        runs.append(SimpleNamespace(artifacts=tmp_path / name))
    joined = _history(runs)
    assert joined.to_dict(orient="list") == {"epoch": [1, 2, 3], "val_auc": [0.5, 0.7, 0.6]}


def test_a_second_call_changes_nothing(workspace):
    before = {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*") if path.is_file()}
    build_demo(workspace, patients=PATIENTS)
    after = {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*") if path.is_file()}
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert not {path for path in changed if ".db" not in path.name}
    assert sum(run.name == "demo" for run in RunStore(workspace).list()) == 1


def test_the_run_of_other_weights_is_set_aside_and_kept(tmp_path):
    workspace = Workspace.open(tmp_path)
    build_demo(workspace, patients=4)
    store = RunStore(workspace)
    old = store.find("demo")
    store.set_tag(old.id, "weights_sha256", "of another Hilum")
    build_demo(workspace, patients=4)
    assert store.find("demo").id != old.id
    kept = store.find(old.id)
    assert kept.archived and kept.name == f"demo-{old.id[:8]}" and (kept.artifacts / "engine").is_dir()
    assert sum(run.name == "demo" for run in store.list()) == 1


def test_seeds_for_training_reporting_and_showing_are_apart():
    demo = range(FIRST_SEED, FIRST_SEED + 1000)
    sets = [set(TRAINING_SEEDS), set(TESTING_SEEDS), set(demo), set(range(100))]
    assert sum(map(len, sets)) == len(set().union(*sets))


def test_the_shipped_model_is_of_today():
    """Where a stage or the generator changes, `make demo-model` is due."""
    model = load_shipped_model()
    assert model.recipe.versions == STAGE_VERSIONS
    assert model.card["recipe_hash"] == model.recipe.hash
    assert model.card["generator_version"] == GENERATOR_VERSION
    assert (ASSETS / WEIGHTS).stat().st_size < 14 * 2**20


def test_the_card_says_what_the_model_is_and_is_not():
    card = load_shipped_model().card
    assert card["notice"] == "synthetic task, not COVID-19"
    assert card["test"]["patients"] == 100 and card["test"]["seeds"] == [1000, 1099]
    for estimate in (*card["test"]["auc"].values(), *card["test"]["auc_by_lesion_size"].values()):
        assert estimate["low"] <= estimate["value"] <= estimate["high"]


def test_weights_that_were_replaced_are_refused(tmp_path):
    folder = tmp_path / "demo-model"
    shutil.copytree(ASSETS, folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"weights_sha256": "0" * 64}))
    with pytest.raises(DemoModelMissingError, match="make demo-model"):
        load_shipped_model(folder)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DemoModelMissingError, match=WEIGHTS):
        load_shipped_model(tmp_path)


def test_the_shipped_weights_are_those_that_training_offers_as_phantom() -> None:
    assert phantom_weights(find_architecture("EfficientNetV2B0")) == ASSETS / WEIGHTS
