"""What a run's calibration patients taught: temperature, operating point, conformal sets; and how it is used.

It lies beside the engine as `calibration.json` and is fitted by `pipeline.evaluation.fitting`. A run without
it gives scores, not probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.workspace import read_json

FILE = "calibration.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Basis(_Frozen):
    """What a figure was estimated on.

    Attributes:
        dataset: its name.
        part: of the run's split.
        slices: how many.
        groups: the units that count as independent: patients, or groups of alike slices.
        unit: what a group is called, `patient` or `group`.
    """

    dataset: str
    part: str
    slices: int
    groups: int
    unit: str

    @property
    def text(self) -> str:
        """Say it.

        >>> Basis(dataset="ward", part="val", slices=1200, groups=80, unit="patient").text
        '1,200 slices of 80 patients (ward, part val)'
        """
        unit = f"{self.unit}s" if self.unit == "patient" else "groups of alike slices"
        return f"{self.slices:,} slices of {self.groups:,} {unit} ({self.dataset}, part {self.part})"


class OperatingPoint(_Frozen):
    """From which probability a class is called, where missing it weighs more than a false alarm.

    Attributes:
        label: the class.
        threshold: called from this probability on.
        target: the sensitivity that was asked for.
        sensitivity, specificity: reached on the calibration slices.
    """

    label: str
    threshold: float
    target: float
    sensitivity: float
    specificity: float


class ConformalSets(_Frozen):
    """Thresholds of class-conditional conformal sets.

    Attributes:
        alpha: a slice's own class is left out of its set at most so often (for slices of new patients like
            those of the calibration).
        floors: a class is in the set where its probability is at least this. Classes with too few
            calibration patients have none: sets say nothing of them.
        groups: calibration patients (or groups) by class, of every class.
    """

    alpha: float
    floors: dict[str, float]
    groups: dict[str, int]

    def members(self, probabilities: Mapping[str, float]) -> list[str]:
        """Return the classes that cannot be excluded, the most probable first; maybe none."""
        kept = [name for name, floor in self.floors.items() if probabilities[name] >= floor]
        return sorted(kept, key=lambda name: -probabilities[name])


class Calibration(_Frozen):
    """What was fitted on patients that taught the model nothing.

    Attributes:
        model_sha256: digest of the engine's weights, for which alone it holds.
        temperature: logits are divided by it before softmax (Guo et al., ICML 2017).
        operating_point: None where a side of it has too few patients.
        conformal: None where they are not available; `conformal_reason` says why.
    """

    model_sha256: str
    basis: Basis
    temperature: float
    operating_point: OperatingPoint | None = None
    conformal: ConformalSets | None = None
    conformal_reason: str = ""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of logits (..., c), float32."""
        return softmax(logits / self.temperature)


def load_calibration(artifacts: Path) -> Calibration | None:
    """Read what was fitted for a run; None where nothing was.

    Raises:
        ValueError: the file is not what was written.
    """
    path = artifacts / FILE
    return Calibration.model_validate(read_json(path)) if path.is_file() else None


class ConformalAnswer(NamedTuple):
    """What the conformal set of one slice says.

    `labels` is None where there is no set; `sentence` says so, and why.
    """

    labels: list[str] | None
    sentence: str

    @property
    def is_decided(self) -> bool:
        """Whether one class alone is left."""
        return self.labels is not None and len(self.labels) == 1

    def to_json(self, calibration: Calibration | None) -> dict[str, Any]:
        """Return the keys that `predict --json` adds."""
        sets = calibration.conformal if calibration is not None else None
        known = calibration is not None and sets is not None and self.labels is not None
        return {
            "conformal_set": self.labels,
            "conformal": {
                "sentence": self.sentence,
                "alpha": sets.alpha if sets is not None and known else None,
                "classes": list(sets.floors) if sets is not None and known else None,
                "basis": calibration.basis.model_dump() if calibration is not None and known else None,
            },
            "abstains": None if self.labels is None else not self.is_decided,
        }


def conformal_answer(
    calibration: Calibration | None, probabilities: Mapping[str, float], label: str, *, plain: bool = True
) -> ConformalAnswer:
    """Say in words which classes cannot be excluded.

    Args:
        calibration: the run's, None where it has none.
        probabilities: calibrated, by class.
        label: the answer.
        plain: whether the probabilities are those of the one network that the sets were fitted for.
    """
    if calibration is None:
        return ConformalAnswer(None, "Not available: the run has no calibration patients.")
    if calibration.conformal is None:
        return ConformalAnswer(None, f"Not available: {calibration.conformal_reason}")
    if not plain:
        return ConformalAnswer(None, "Not available: it was fitted for the plain answer, without averaging.")
    sets = calibration.conformal
    if label not in sets.floors:
        return ConformalAnswer(
            None,
            f"Not available: the answer is {label}, of which the calibration had {sets.groups[label]} "
            f"{calibration.basis.unit}s, too few.",
        )
    members = sets.members(probabilities)
    return ConformalAnswer(members, _sentence(members))


def _sentence(members: list[str]) -> str:
    if not members:
        return "Fits none of the classes: unlike the slices of each that the model was calibrated on."
    if len(members) == 1:
        return f"Only {members[0]} is left."
    return f"Undecided between {', '.join(members[:-1])} and {members[-1]}."


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis, float32.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
