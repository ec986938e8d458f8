"""The demo: synthetic patients, indexed and split, and the model that ships with Hilum, registered as a run.

A synthetic task, not COVID-19. Every demo patient is unseen by the model, so the whole data set is the run's
test part. How the model itself is made is told in `demo_model.py`.
"""

from __future__ import annotations

import shutil
from typing import Any

import pandas as pd

from models.backend import start_backend
from pipeline.cache.build import build_cache
from pipeline.data.datasets import load_index, read_manifest
from pipeline.data.index import build_index
from pipeline.data.phantom import SYNTHETIC_NOTICE, WrittenPhantoms, write_phantoms
from pipeline.data.splits import Split, list_splits, make_split
from pipeline.data.table import OK
from pipeline.demo_beside import beside_hash, place_beside
from pipeline.demo_model import ShippedModel, load_shipped_model, retrain_demo_model
from pipeline.errors import HilumError
from pipeline.jobs import Progress, no_progress
from pipeline.preprocessing.recipe import Recipe
from pipeline.progress import section
from pipeline.run_info import ARCHIVED_TAG
from pipeline.runs import RunInfo, RunNotFoundError, RunStore
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet

__all__ = ["build_demo", "retrain_demo_model"]

NAME = "demo"
FIRST_SEED = 2000
SLICES = 10  # levels a patient
DICOM_PATIENTS = 4
_SUBGROUPS = ("source", "lesion_size", "finding", "region", "posture")


def build_demo(workspace: Workspace, *, patients: int = 64, progress: Progress = no_progress) -> str:
    """Make the demo data set and run; what is there already is not made again.

    Args:
        patients: how many synthetic patients; another number than before makes the data set anew.

    Returns:
        A sentence for the user.
    """
    written = write_phantoms(
        workspace.root / "phantoms" / NAME,
        seeds=range(FIRST_SEED, FIRST_SEED + patients),
        slices=SLICES,
        dicom_patients=min(DICOM_PATIENTS, patients // 4),
        progress=section(progress, 0.0, 0.6),
    )
    split = _indexed_and_split(workspace, written, section(progress, 0.6, 0.75))
    try:
        model = load_shipped_model()
    except HilumError as error:
        return (
            f"The data set {NAME!r} holds {written.slices} slices of {patients} synthetic patients. {error}"
        )
    run = _find_current_run(workspace, model, split)
    if run is None:
        run = _register(workspace, model, split, section(progress, 0.75, 1.0))
    progress(1, 1, "The demo is ready")
    return (
        f"The data set {NAME!r} holds {written.slices} slices of {patients} synthetic patients; the run "
        f"{run.name!r} ({run.id[:8]}) is a small model that knows none of them: {SYNTHETIC_NOTICE}."
    )


def _indexed_and_split(workspace: Workspace, written: WrittenPhantoms, progress: Progress) -> Split:
    """Index the phantoms and split them by patient, unless that was done for just these files."""
    marker = (written.folder / "synthetic.json").stat().st_mtime_ns
    stamp = workspace.dataset_dir(NAME) / "demo.stamp"
    splits = [split for split in list_splits(workspace, NAME)] if read_manifest(workspace, NAME) else []
    if splits and stamp.is_file() and stamp.read_text(encoding="utf-8") == str(marker):
        return splits[-1]
    build_index(workspace, written.folder, name=NAME, labels_csv=written.labels_csv, progress=progress)
    split = make_split(workspace, NAME, group_by="patient")
    stamp.write_text(str(marker), encoding="utf-8")
    return split


def _find_current_run(workspace: Workspace, model: ShippedModel, split: Split) -> RunInfo | None:
    """Return the demo run if it is of these weights and this data set."""
    try:
        run = RunStore(workspace).find(NAME)
    except RunNotFoundError:
        return None
    current = {"weights_sha256": model.sha256, "split_hash": split.hash, "recipe_hash": model.recipe.hash}
    current["beside"] = beside_hash(model)
    whole = (run.artifacts / "predictions" / "test.parquet").is_file() and run.status == "finished"
    return run if whole and all(run.tags.get(key) == value for key, value in current.items()) else None


def _register(workspace: Workspace, model: ShippedModel, split: Split, progress: Progress) -> RunInfo:
    """Write a finished run with all the files that a training would have left."""
    store = RunStore(workspace)
    params = {"dataset": NAME, "trained_on": "phantoms", "split": split.name} | _flat(model.config)
    params["epochs"] = len(model.history)
    tags = {
        "demo": "true",
        "synthetic": "true",
        "notice": SYNTHETIC_NOTICE,
        "weights_sha256": model.sha256,
        "split_hash": split.hash,
        "recipe_hash": model.recipe.hash,
        "beside": beside_hash(model),
    }
    run = store.create(NAME, params, tags)
    try:
        _write_files(workspace, run, model, split, progress)
        _log_history(store, run.id, model)
    except BaseException:
        store.finish(run.id, "failed")
        raise
    store.finish(run.id, "finished")
    _set_older_aside(store, run.id)
    return store.find(run.id)


def _set_older_aside(store: RunStore, newest: str) -> None:
    """Rename and archive the demo runs of other weights: a name finds one run. Nothing of them is lost."""
    for other in store.list():
        if other.name == NAME and other.tags.get("demo") == "true" and other.id != newest:
            store.rename(other.id, f"{NAME}-{other.id[:8]}")
            store.label(other.id, ARCHIVED_TAG, "true")


def _log_history(store: RunStore, run_id: str, model: ShippedModel) -> None:
    """Log the trainings as one, each one's epochs after the other's; the best of the last one ships."""
    rows = model.history.astype(float)
    for row in rows.to_dict(orient="records"):
        store.log_metrics(run_id, {str(key): float(value) for key, value in row.items()}, int(row["epoch"]))
    last = rows.tail(model.config["epochs"])
    best = last.loc[last[model.config["monitor"]].idxmax()]
    values = {
        f"best_{key}": float(best[key]) for key in ("epoch", "val_auc", "val_accuracy", "val_loss", "val_f1")
    }
    store.log_metrics(run_id, values, int(rows["epoch"].iloc[-1]))


def _write_files(
    workspace: Workspace, run: RunInfo, model: ShippedModel, split: Split, progress: Progress
) -> None:
    start_backend()
    from pipeline.inference.engine import Engine
    from pipeline.inference.export import export_engine
    from pipeline.inference.table import predictions_table

    folder = run.artifacts
    table = _test_table(workspace, split)
    atomic_write_json(folder / "config.json", model.config | {"dataset": NAME, "split": split.name})
    atomic_write_json(folder / "recipe.json", model.recipe.to_json())
    atomic_write_json(folder / "classes.json", list(model.classes))
    atomic_write_json(folder / "card.json", model.card)
    atomic_write_json(folder / "split.json", _split_json(split, table, model.recipe, model.classes))
    atomic_write_json(folder / "environment.json", model.card.get("environment", {}))
    atomic_write_parquet(folder / "history.parquet", model.history)
    atomic_write_parquet(folder / "seen.parquet", model.seen)
    shutil.copyfile(model.weights, folder / "weights.weights.h5")
    (folder / "log.txt").write_text(
        f"The model that ships with Hilum: {SYNTHETIC_NOTICE}. Its curves begin where it is given the lungs "
        "alone; before, it learnt on whole slices.\n",
        encoding="utf-8",
    )
    progress(0, 10, "Exporting the demo model")
    facts = export_engine(
        model.build(),
        folder / "engine",
        class_names=model.classes,
        recipe=model.recipe,
        heat_range=model.card.get("heat_range"),
    )
    place_beside(model, folder, model_sha256=facts.sha256["model.bin"])
    progress(3, 10, "Preparing the demo slices")
    cache = build_cache(workspace, NAME, model.recipe, section(progress, 0.3, 0.6))
    table = table[table["slice_id"].isin(cache.slice_ids)].reset_index(drop=True)
    images = cache.array[cache.rows(table["slice_id"].tolist())]
    predicted = predictions_table(
        Engine.open(folder / "engine"), images, table, progress=section(progress, 0.6, 1.0)
    )
    atomic_write_parquet(folder / "predictions" / "test.parquet", predicted)


def _test_table(workspace: Workspace, split: Split) -> pd.DataFrame:
    """Return every labelled slice of the demo as one of the test part."""
    index = load_index(workspace, NAME)
    index = index[(index["status"] == OK) & index["label"].notna()]
    groups = split.table[["slice_id", "group"]]
    columns = ["slice_id", "label", "patient_id", *(name for name in _SUBGROUPS if name in index)]
    return index[columns].merge(groups, on="slice_id").assign(part="test")


def _split_json(
    split: Split, table: pd.DataFrame, recipe: Recipe, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Return the run's own split: all test, since the model learned from other patients."""
    plain = table.astype(object).where(table.notna(), None)
    return {
        "name": split.name,
        "hash": split.hash,
        "dataset": NAME,
        "group_by": split.group_by,
        "seed": split.seed,
        "fold": None,
        "classes": list(classes),
        "recipe_hash": recipe.hash,
        "table": plain.to_dict(orient="list"),
    }


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as parameters of a run: nested keys joined by a dot."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": each for inner, each in value.items()}
        elif key not in ("dataset", "split"):
            flat[key] = value
    return flat
