"""The input gate on real pictures: what it refuses of intruders, and of chest slices of other patients.

A small model learns from real slices (its head alone, on a backbone trained on phantoms); nothing is kept.
Thresholds were looked at on one half of the intruders, by the hash of their names; figures are of the other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from models.backend import start_backend
from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.phantom import generate_patient
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceImage
from pipeline.data.splits import make_split
from pipeline.data.statistics import display_grey
from pipeline.inference.drawn import unlike_drawn
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunStore
from pipeline.training.config import make_config
from pipeline.training.train import train
from pipeline.workspace import Workspace

PHANTOMS = range(1000, 1012)
SETTINGS = {
    "dataset": "real", "architecture": "EfficientNetV2B0", "weights": "phantom", "image_size": 128,
    "head_only": True, "epochs": 12, "patience": 0, "name": "gate",
}  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Measure shares refused and the AUROC by kind of intruder; no rows without HILUM_REAL_DATA."""
    if not os.environ.get("HILUM_REAL_DATA"):
        return []
    real = Path(os.environ["HILUM_REAL_DATA"])
    start_backend()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        build_index(workspace, real / "slices", name="real", labels_csv=real / "slices.csv")
        make_split(workspace, "real", group_by="patient")
        found = RunStore(workspace).find(train(workspace, make_config(SETTINGS)))
        engine = Engine.load(found)
        parts = found.load_split()["table"]
        part_of = dict(zip(parts["slice_id"], parts["part"], strict=True))
        index = load_index(workspace, "real")
        kept = index[index["slice_id"].map(part_of).isin(["val", "test"])]
        chest = [predict_slice(engine, read_slice(real / "slices" / path)) for path in kept["path"]]
        intruders = {
            kind.name: [predict_slice(engine, read_slice(path)) for path in _odd_half(kind)]
            for kind in sorted((real / "not-chest-ct").iterdir())
        }
        phantoms = [predict_slice(engine, image) for image in _phantoms()]
        series = [predict_slice(engine, read_slice(path)) for path in sorted((real / "series").glob("*.dcm"))]
    return _rows(engine, chest, intruders, phantoms, series) + [
        _drawn("slices of all studies that do not look drawn to a model of phantoms", [*chest, *series]),
        _drawn("phantoms that do not", phantoms),
    ]


def _drawn(figure: str, asked: list[Prediction]) -> dict[str, Any]:
    found = 100 * float(np.mean([bool(unlike_drawn(one.image)) for one in asked]))
    return {"figure": figure, "value": found, "unit": "%", "peer": f"{len(asked)} slices"}


def _rows(
    engine: Engine,
    chest: list[Prediction],
    intruders: dict[str, list[Prediction]],
    phantoms: list[Prediction],
    series: list[Prediction],
) -> list[dict[str, Any]]:
    everyone = [one for found in intruders.values() for one in found]
    little = sum(one.little_lung for one in chest)
    rows = [
        _share("intruders refused (half by hash)", everyone, f"{len(everyone)} pictures, asked >= 98 %"),
        _share(
            "chest slices of other patients refused", chest,
            f"{len(chest)} slices, {little} with little lung; asked <= 2 %",
        ),
        _share("slices of another study's series refused", series, f"{len(series)} slices, neck to abdomen"),
        _share("phantoms refused by a model of real slices", phantoms, f"{len(phantoms)} slices"),
    ]  # fmt: skip
    for kind, found in {**intruders, "phantom": phantoms}.items():
        rows.append(
            {
                "figure": f"AUROC of the gate, {kind} against chest",
                "value": _auroc(found, chest, rules=True),
                "unit": "",
                "peer": f"distance alone: {_auroc(found, chest, rules=False):.3f}, n = {len(found)}",
            }
        )
    milliseconds = float(np.median([one.milliseconds["distance"] for one in chest]))
    kept = len(engine.reference.points) if engine.reference is not None else 0
    rows.append(
        {"figure": "distance of a slice", "value": milliseconds, "unit": "ms", "peer": f"{kept} kept slices"}
    )
    return rows


def _share(figure: str, found: list[Prediction], peer: str) -> dict[str, Any]:
    refused = 100 * float(np.mean([one.status == "rejected" and bool(one.reason) for one in found]))
    return {"figure": figure, "value": refused, "unit": "%", "peer": peer}


def _auroc(intruders: list[Prediction], chest: list[Prediction], *, rules: bool) -> float:
    """Return how well the gate tells them apart: by distance, with what a rule refuses beyond all others."""
    scores = [_score(one, rules=rules) for one in (*intruders, *chest)]
    return float(roc_auc_score([1] * len(intruders) + [0] * len(chest), scores))


def _score(one: Prediction, *, rules: bool) -> float:
    return 1e9 if rules and not one.gate.passed else float(one.distance or 0.0)


def _odd_half(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if hashlib.sha256(p.name.encode()).digest()[0] % 2]


def _phantoms() -> list[SliceImage]:
    return [
        SliceImage(display_grey(phantom.slice_hu, intensity="hu"), "grey", "png", 8)
        for seed in PHANTOMS
        for phantom in generate_patient(seed, slices=5)
        if phantom.label != "non-informative"
    ]
