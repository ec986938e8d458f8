"""Has the model seen this slice? An answer about a slice that it learnt from is memory, not skill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.datasets import load_fingerprints, load_index
from pipeline.data.duplicates import KnownFingerprints
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import FINGERPRINT_SIDE, describe_slice
from pipeline.workspace import Workspace

FILE = "seen.parquet"
# What the model was made with: it learnt from train, its epochs and settings were chosen by val, its
# operating point by calibration. Slices of the test part it never met.
USED = ("train", "val", "calibration")
WORST_FIRST = ("train", "near-duplicate", "val", "same-patient", "calibration", "unknown", "test", "no")
SENTENCES = {
    "train": "The model learnt from this very slice: its answer is memory.",
    "val": "This slice chose the model's best epoch: its answer is flattered.",
    "calibration": "This slice took part in setting the model's operating point.",
    "test": "The slice belongs to the run's test part: the model has not seen it.",
    "near-duplicate": "The model was made with a near-copy of this slice: its answer is close to memory.",
    "same-patient": "The model was made with other slices of this patient.",
    "no": "The model was made without this slice.",
    "unknown": "The run does not say what it was trained on.",
}


@dataclass(frozen=True, eq=False)
class SeenSlices:
    """What a run's slices are recognised by.

    Attributes:
        part_of: part by content hash.
        patients: ids of the patients whose slices made the model.
        fingerprints: (n, 32, 32) uint8 of those slices; empty where the run kept none.
    """

    part_of: dict[str, str]
    patients: frozenset[str]
    fingerprints: np.ndarray

    @classmethod
    def load(cls, artifacts: Path) -> SeenSlices | None:
        """Read a run's `seen.parquet`; None where it has none."""
        path = artifacts / FILE
        if not path.is_file():
            return None
        table = pd.read_parquet(path)
        used = table[table["part"].isin(USED)]
        stored = used["fingerprint"].dropna() if "fingerprint" in used else ()
        side = FINGERPRINT_SIDE
        return cls(
            part_of=dict(zip(table["content_hash"], table["part"], strict=True)),
            patients=frozenset(used["patient_id"].dropna()),
            fingerprints=np.frombuffer(b"".join(stored), np.uint8).reshape(-1, side, side),
        )

    @cached_property
    def _known(self) -> KnownFingerprints:
        return KnownFingerprints(self.fingerprints)

    def find(self, image: SliceImage, *, patient_id: str | None = None) -> str:
        """Return `train`, `val`, `calibration`, `test`, `near-duplicate`, `same-patient` or `no`.

        Args:
            image: the slice.
            patient_id: whose it is, where the index knows better than the file's header.
        """
        facts, fingerprint = describe_slice(image)
        part = self.part_of.get(facts["content_hash"])
        if part is not None:
            return part
        if len(self.fingerprints) and len(self._known.near_copies(fingerprint)):
            return "near-duplicate"
        patient = patient_id or (image.header.patient_id if image.header is not None else None)
        return "same-patient" if patient in self.patients else "no"


def with_fingerprints(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a data set with a column `fingerprint` (bytes), by which near-copies are recognised.

    Args:
        dataset: whose slices they are; nothing is added where it is gone.
        rows: with `slice_id`.
    """
    ids = load_index(workspace, dataset)["slice_id"]
    stored = [picture.tobytes() for picture in load_fingerprints(workspace, dataset)]
    return rows.assign(fingerprint=rows["slice_id"].map(dict(zip(ids, stored, strict=True))))
