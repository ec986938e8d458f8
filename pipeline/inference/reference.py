"""How far a slice lies from those that a model learnt from, in the network's features; and which are nearest.

A slice's features are the mean and the spread of each channel of the last feature map, brought to length 1:
their length says how sure the network is, not what it sees. They are centred and turned onto the training
slices' principal axes, the first DIMENSIONS of which are kept and scaled to equal spread (with a floor, by
which what lies off the axes is divided too). A slice's distance d is that to its nearest training slices:

    d^2 = (mean |z - z_i| over the NEIGHBOURS nearest)^2 + |off the axes|^2

Deep nearest neighbours: Sun et al., ICML 2022; length off the axes: Wang et al., CVPR 2022 (ViM). The
threshold is a quantile over slices of calibration patients. Kept as float16, with the run.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.errors import HilumError
from pipeline.inference.calibrated import Basis
from pipeline.workspace import atomic_write_bytes

FILE = "reference.npz"
FORMAT = 2
NEIGHBOURS = 5
ROWS = ("slice_id", "label", "patient_id", "group", "content_hash")


class ReferenceDamagedError(HilumError):
    """A run's reference features cannot be read."""


class Neighbour(NamedTuple):
    """A training slice that is alike."""

    slice_id: str
    label: str
    patient_id: str | None
    distance: float


@dataclass(frozen=True, eq=False)
class Reference:
    """The training slices of one model in feature space.

    Attributes:
        model_sha256: digest of the engine's weights, whose features these are.
        center: float32 (k,), mean of the training slices' features.
        axes: float32 (k, d), principal axes, orthonormal.
        scales: float32 (d,), what a coordinate along them is divided by.
        floor: what the length off them is divided by.
        points: float16 (n, d), the kept training slices.
        rows: n rows: `slice_id`, `label`, `patient_id`, `group`, `content_hash`.
        threshold: a slice farther than this is unlike what the model was trained on.
        quantile: share of the calibration slices that are as near as `threshold`; 1 where they are too few
            for QUANTILE, and the farthest of them is the threshold.
        basis: those slices.
        trained_on: all training slices, and their patients; `points` are a sample where they are many.
    """

    model_sha256: str
    center: np.ndarray
    axes: np.ndarray
    scales: np.ndarray
    floor: float
    points: np.ndarray
    rows: pd.DataFrame
    threshold: float
    quantile: float
    basis: Basis
    trained_on: Basis

    def __post_init__(self) -> None:
        # float32 once: half the time of a search would go into widening.
        object.__setattr__(self, "_points", self.points.astype(np.float32))
        object.__setattr__(self, "_lengths", np.square(self._points).sum(axis=1))

    _points: np.ndarray = None  # type: ignore[assignment]
    _lengths: np.ndarray = None  # type: ignore[assignment]

    def distance(self, pooled: np.ndarray) -> float:
        """Return the distance of one slice's pooled features, (k,)."""
        return float(self.distances(pooled[None])[0])

    def distances(self, pooled: np.ndarray) -> np.ndarray:
        """Return the distance of each slice, pooled features (n, k) -> float64 (n,)."""
        found = [self._distances(pooled[start : start + 512]) for start in range(0, len(pooled), 512)]
        return np.concatenate(found) if found else np.zeros(0)

    def _distances(self, pooled: np.ndarray) -> np.ndarray:
        places, off = self._place(pooled)
        nearest = np.partition(self._squares(places), NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        near = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
        return np.asarray(np.sqrt(near**2 + off), float)

    def _place(self, pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scaled coordinates (n, d), and the scaled squared length off the axes (n,)."""
        centred = pooled.astype(np.float32) - self.center
        along = centred @ self.axes
        off = np.square(centred).sum(axis=1) - np.square(along).sum(axis=1)
        return along / self.scales, np.maximum(off, 0) / self.floor**2

    def _squares(self, places: np.ndarray) -> np.ndarray:
        """Return squared distances to every kept training slice, (n, points)."""
        return np.asarray(
            np.square(places).sum(axis=1)[:, None] + self._lengths - 2 * places @ self._points.T
        )

    def nearest(
        self,
        pooled: np.ndarray,
        *,
        count: int,
        patient_id: str | None = None,
        content_hash: str | None = None,
    ) -> list[Neighbour]:
        """Return the nearest training slices, of other patients than the slice's own, one a patient.

        Args:
            pooled: (k,).
            count: how many at most.
            patient_id: whose slice it is, where known.
            content_hash: the slice's; where it was trained on, its whole patient is left out.
        """
        squares = np.maximum(self._squares(self._place(pooled[None])[0])[0], 0)
        own = set(self.rows.loc[self.rows["content_hash"] == content_hash, "group"])
        own |= set(self.rows.loc[self.rows["patient_id"] == patient_id, "group"]) if patient_id else set()
        found: list[Neighbour] = []
        met = set(own)
        for place in np.argsort(squares):
            row = self.rows.iloc[int(place)]
            if row["group"] in met:
                continue
            met.add(row["group"])
            patient = row["patient_id"] if isinstance(row["patient_id"], str) else None
            distance = float(np.sqrt(squares[place]))
            found.append(Neighbour(str(row["slice_id"]), str(row["label"]), patient, distance))
            if len(found) == count:
                break
        return found

    def sentence(self, distance: float) -> str:
        """Say that a slice is unlike the training's; empty where it is not.

        The words give the share of the calibration slices that the threshold is for.
        """
        if distance <= self.threshold:
            return ""
        share = f"{self.quantile:.0%}".replace("%", " %") if self.quantile < 1 else "any"
        return f"It is unlike what this model was trained on: farther than {share} of the calibration slices."

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        facts = {
            "format": FORMAT,
            "model_sha256": self.model_sha256,
            "floor": self.floor,
            "threshold": self.threshold,
            "quantile": self.quantile,
            "basis": self.basis.model_dump(),
            "trained_on": self.trained_on.model_dump(),
        }
        buffer = io.BytesIO()
        texts = {f"row_{name}": self.rows[name].fillna("").astype(str).to_numpy(np.str_) for name in ROWS}
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            facts=np.array(json.dumps(facts)),
            center=self.center,
            axes=self.axes.astype(np.float16),
            scales=self.scales,
            points=self.points,
            **texts,
        )
        atomic_write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Reference | None:
        """Read it; None where another Hilum measured distances differently.

        Raises:
            ReferenceDamagedError: it is not what `save` wrote.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                facts: dict[str, Any] = json.loads(str(arrays["facts"]))
                if facts.pop("format") != FORMAT:
                    return None
                rows = pd.DataFrame({name: arrays[f"row_{name}"].astype(object) for name in ROWS})
                rows["patient_id"] = rows["patient_id"].replace("", None)
                basis, trained_on = (
                    Basis.model_validate(facts.pop(name)) for name in ("basis", "trained_on")
                )
                return cls(
                    center=arrays["center"],
                    axes=arrays["axes"].astype(np.float32),
                    scales=arrays["scales"],
                    points=arrays["points"],
                    rows=rows,
                    basis=basis,
                    trained_on=trained_on,
                    **facts,
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ReferenceDamagedError(
                f"{path} does not hold a run's reference features ({type(error).__name__}). Restore it from "
                "a backup, or delete it."
            ) from error


def pool(features: np.ndarray) -> np.ndarray:
    """Return mean and spread over the cells of feature maps (..., h, w, c): float32 (..., 2 c), length 1."""
    cells = features.reshape(*features.shape[:-3], -1, features.shape[-1]).astype(np.float32)
    mean = cells.mean(axis=-2)
    squares = np.einsum("...hc,...hc->...c", cells, cells) / cells.shape[-2]
    both = np.concatenate([mean, np.sqrt(np.maximum(squares - mean**2, 0))], axis=-1)
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=-1, keepdims=True), 1e-12), np.float32)
