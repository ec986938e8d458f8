"""What trainings in tests are made of: a data set and a network that are done in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from pipeline.data.index import build_index
from pipeline.data.splits import make_split
from pipeline.workspace import Workspace

CENTERS = {"pCT": (24, 24), "nCT": (72, 72), "NiCT": (24, 72)}


def write_discs(folder: Path, *, patients: int = 8, slices: int = 3, seed: int = 0) -> None:
    """Write `patients` x 3 classes x `slices` PNG of 96 x 96 and a labels.csv with patient ids."""
    rng = np.random.default_rng(seed)
    rows = []
    for label, (row, column) in CENTERS.items():
        for patient in range(patients):
            for number in range(slices):
                # Every slice has shades of its own: else one would be the other's copy, shifted.
                shades = cv2.resize(rng.normal(0, 18, (8, 8)), (96, 96), interpolation=cv2.INTER_CUBIC)
                image = rng.normal(60, 12, (96, 96)) + shades
                place = (column + int(rng.integers(-6, 7)), row + int(rng.integers(-6, 7)))
                cv2.circle(image, place, 12, 200.0, -1)
                path = Path(label) / f"{label}{patient * slices + number}.png"
                (folder / label).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / path), np.clip(image, 0, 255).astype(np.uint8))
                rows.append({"path": str(path), "label": label, "patient_id": f"{label}-{patient}"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


def open_discs(root: Path, **options: int) -> Workspace:
    """Make a workspace with the data set `discs`, indexed and split by patient."""
    workspace = Workspace.open(root / "workspace")
    write_discs(root / "discs", **options)
    build_index(workspace, root / "discs", name="discs")
    make_split(workspace, "discs", name="by-patient")
    return workspace


def create_tiny(
    name: str, *, num_classes: int, image_size: int, channels: int, dropout: float, seed: int, **_: object
) -> Any:
    """Build a stand-in for `models.create_model`: two convolutions, for a real one compiles 15 seconds."""
    import keras

    from models.backbones import seeded
    from models.head import build_head

    with seeded(seed):
        image = keras.Input((image_size, image_size, channels), name="image")
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaled")(image)
        x = keras.layers.Conv2D(8, 5, strides=2, activation="relu", name="first")(x)
        x = keras.layers.Conv2D(12, 3, strides=2, activation="relu", name="second")(x)
        x = keras.layers.Activation("linear", name="features")(x)
        output = build_head(x, num_classes=num_classes, dropout=dropout)
        return keras.Model(image, output, name=name)
