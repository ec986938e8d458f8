"""What ships beside the demo model's weights: its calibration, its training in feature space, phantoms' look.

    assets/demo-model/calibration.json  reference.npz  look.npz

The first two are fitted to the weights as they ship (float16), on the patients of the model's own split; how
phantoms look does not depend on a model.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from models.hashing import sha256_of
from pipeline.cache.build import build_cache
from pipeline.data.datasets import load_index
from pipeline.data.labels import NON_INFORMATIVE
from pipeline.data.phantom import generator_hash
from pipeline.data.reading import load_slice
from pipeline.demo_model import ShippedModel
from pipeline.inference.calibrated import FILE as CALIBRATION_FILE
from pipeline.inference.calibrated import load_calibration
from pipeline.inference.drawn import LOOK, describe_look, fit_look
from pipeline.inference.reference import FILE as REFERENCE_FILE
from pipeline.inference.reference import Reference
from pipeline.progress import Progress, no_progress, section
from pipeline.workspace import Workspace, atomic_write_text


def fit_shipped(
    workspace: Workspace, model: ShippedModel, dataset: str, *, progress: Progress = no_progress
) -> None:
    """Fit calibration and reference of the shipped weights and write them beside those.

    Args:
        workspace: holds the training's phantoms as the data set `dataset`.
        model: the weights, and which patients they learnt from.
        dataset: the training's.
        progress: told how far the work is.
    """
    from pipeline.evaluation.fitting import fit_beside
    from pipeline.inference.engine import Engine
    from pipeline.inference.export import export_engine
    from pipeline.inference.table import predict_prepared

    folder = model.weights.parent
    cache = build_cache(workspace, dataset, model.recipe, section(progress, 0.0, 0.3))
    rows = _rows(workspace, dataset, model)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as scratch:
        export_engine(model.build(), Path(scratch) / "engine", class_names=model.classes, recipe=model.recipe)
        engine = Engine.open(Path(scratch) / "engine")
        answers = {
            part: predict_prepared(
                engine,
                cache.array[cache.rows(table["slice_id"].tolist())],
                progress=section(progress, 0.3, 1.0),
            )
            for part, table in rows.items()
            if part in ("train", "calibration")
        }
        for name in (CALIBRATION_FILE, REFERENCE_FILE):
            (folder / name).unlink(missing_ok=True)
        fit_beside(engine, answers, rows, folder=folder, dataset=dataset)
    _stamp(folder, folder, model.sha256)


def fit_shipped_look(
    workspace: Workspace, model: ShippedModel, dataset: str, *, progress: Progress = no_progress
) -> None:
    """Fit what phantoms look like on the training's, its limit on other patients', and write it beside.

    Args:
        workspace: holds the training's phantoms as the data set `dataset`.
        model: which patients its parts hold.
        dataset: the training's.
        progress: told how far the work is.
    """
    rows = _rows(workspace, dataset, model)
    told = {part: table[table["label"] != NON_INFORMATIVE] for part, table in rows.items()}
    learnt, others = told.pop("train"), pd.concat(list(told.values()))
    looks = []
    for done, (_, row) in enumerate(pd.concat([learnt, others]).iterrows()):
        progress(done, len(learnt) + len(others), "Looking at phantoms")
        looks.append(describe_look(load_slice(workspace, dataset, row)))
    both = np.stack(looks)
    found = fit_look(
        both[: len(learnt)], learnt, both[len(learnt) :], others,
        dataset=dataset, generator_hash=generator_hash(),
    )  # fmt: skip
    if found is not None:
        found.save(model.weights.parent / LOOK.name)


def place_beside(model: ShippedModel, artifacts: Path, *, model_sha256: str) -> None:
    """Write what ships beside the weights into a run, as of its engine; nothing where nothing ships."""
    shipped = model.weights.parent
    calibration = load_calibration(shipped)
    if calibration is not None and calibration.model_sha256 == model.sha256:
        _stamp(shipped, artifacts, model_sha256)


def beside_hash(model: ShippedModel) -> str:
    """Return a digest of what ships beside the weights, empty where nothing does."""
    files = [model.weights.parent / name for name in (CALIBRATION_FILE, REFERENCE_FILE, "history.parquet")]
    return "-".join(sha256_of(file)[:16] for file in files if file.is_file())


def _rows(workspace: Workspace, dataset: str, model: ShippedModel) -> dict[str, pd.DataFrame]:
    """Return the slices by part; a patient is a group."""
    part_of = dict(zip(model.seen["patient_id"], model.seen["part"], strict=True))
    index = load_index(workspace, dataset)
    index = index.assign(group=index["patient_id"], part=index["patient_id"].map(part_of))
    columns = ["slice_id", "label", "patient_id", "group", "content_hash", "path", "frame"]
    return {
        part: index.loc[index["part"] == part, columns].reset_index(drop=True)
        for part in ("train", "val", "calibration", "test")
    }


def _stamp(source: Path, target: Path, model_sha256: str) -> None:
    """Write both files to `target` as fitted to the weights of this digest."""
    calibration = load_calibration(source)
    if calibration is not None:
        stamped = calibration.model_copy(update={"model_sha256": model_sha256})
        atomic_write_text(target / CALIBRATION_FILE, stamped.model_dump_json(indent=2))
    if (source / REFERENCE_FILE).is_file():
        reference = Reference.load(source / REFERENCE_FILE)
        if reference is not None:
            replace(reference, model_sha256=model_sha256).save(target / REFERENCE_FILE)
