"""What a model says of one slice, with what must be said beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import describe_slice
from pipeline.explanation.closed_form import Heatmap, closed_form_cam
from pipeline.explanation.placement import to_slice
from pipeline.inference.answer import is_withheld
from pipeline.inference.averaging import PLAIN, Averaging
from pipeline.inference.calibrated import ConformalAnswer, conformal_answer
from pipeline.inference.engine import Engine
from pipeline.inference.reference import Neighbour, pool
from pipeline.notice import NOTICE
from pipeline.preprocessing.apply import Preprocessed
from pipeline.preprocessing.gate import GateVerdict

Status = Literal["ok", "rejected", "error"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one slice.

    Attributes:
        status: `rejected` where the gate says that it is no chest CT slice, or unlike the training's; the
            rest is there all the same.
        reason: why it was rejected, or what to mind; empty where there is nothing to say.
        label: the answer: the most probable class; `non-informative` with little lung in view.
        model_label: the class with the greatest probability, whatever is in view.
        little_lung: whether too little lung is in view to judge.
        probabilities, logits: by class, in the order of the outputs; logits are of this network alone.
        calibrated: whether the probabilities were fitted to frequencies; else, and where they are averages,
            they are scores.
        seen: see `pipeline.inference.seen`.
        features: float32 (h, w, k), the network's last feature map.
        model_input: float32 (size, size, channels), what the network saw.
        distance: from the training slices in feature space; None where it cannot be told.
        unlike_drawn: of a model that learnt from synthetic slices, why this is none; else empty.
        averaging: what the probabilities were averaged over.
        members: (m, c), what was averaged.
        patient_id: whose slice it is, where known.
        milliseconds: of gate, preprocessing, network, search for known slices, and distance.
    """

    engine: Engine
    image: SliceImage
    gate: GateVerdict
    preprocessed: Preprocessed
    status: Status
    reason: str
    label: str
    probabilities: dict[str, float]
    logits: dict[str, float]
    calibrated: bool
    seen: str
    features: np.ndarray
    model_input: np.ndarray
    model_label: str = ""
    little_lung: bool = False
    distance: float | None = None
    unlike_drawn: str = ""
    averaging: Averaging = PLAIN
    members: np.ndarray | None = None
    patient_id: str | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def rival(self) -> str:
        """The class with the second greatest probability."""
        return sorted(self.probabilities, key=lambda name: self.probabilities[name])[-2]

    @property
    def withheld(self) -> bool:
        """Whether no probability of disease is shown: little lung, or the answer `non-informative`."""
        return is_withheld(self.label, little_lung=self.little_lung)

    @property
    def synthetic(self) -> bool:
        """Whether it, or one of the networks it is averaged with, learnt from synthetic slices."""
        return self.averaging.is_synthetic(self.engine)

    @property
    def is_unlike(self) -> bool:
        """Whether the slice lies too far from what the model was trained on."""
        reference = self.engine.reference
        return reference is not None and self.distance is not None and self.distance > reference.threshold

    @cached_property
    def conformal(self) -> ConformalAnswer:
        """Which classes cannot be excluded."""
        return conformal_answer(
            self.engine.calibration, self.probabilities, self.label, plain=self.averaging.is_plain
        )

    def similar(self, count: int = 6) -> list[Neighbour]:
        """Return the nearest training slices of other patients; none where the run kept none."""
        if self.engine.reference is None:
            return []
        return self.engine.reference.nearest(
            pool(self.features),
            count=count,
            patient_id=self.patient_id,
            content_hash=describe_slice(self.image)[0]["content_hash"],
        )

    @cached_property
    def heatmap(self) -> Heatmap:
        """The heatmap of the predicted class."""
        return self.heatmap_of(self.label)

    def heatmap_of(self, label: str, *, against: str | None = None) -> Heatmap:
        """Return what each cell adds to the margin of a class over the others' mean, or over a rival."""
        classes = self.engine.classes
        rival = None if against is None else classes.index(against)
        return closed_form_cam(self.features, self.engine.cam, class_index=classes.index(label), rival=rival)

    def on_slice(self, values: np.ndarray) -> np.ndarray:
        """Lay a map of the network's field over the slice: float32 of the slice's size."""
        return to_slice(
            values,
            matrix=self.preprocessed.matrix,
            output_size=self.preprocessed.output.shape[0],
            shape=self.image.image.shape[:2],
        )

    def heat_limit(self, label: str | None = None) -> float:
        """Return the end of the colour scale: the cohort's where it is known, else this map's own peak."""
        if self.engine.facts.heat_range:
            return self.engine.facts.heat_range
        peak = float(np.abs(self.heatmap_of(label or self.label).values).max())
        return peak if peak > 0 else 1.0

    def to_json(self, *, input: str, heatmap: str | None = None) -> dict[str, Any]:
        """Return the answer as the contract's JSON object. `heatmap` is the file it was written to."""
        verdict = self.preprocessed.verdict
        return {
            "input": input,
            "status": self.status,
            "reason": self.reason,
            "label": self.label,
            "probabilities": self.probabilities,
            "calibrated": self.calibrated,
            "seen": self.seen,
            "heatmap": heatmap,
            "notice": NOTICE,
            "logits": self.logits,
            "margin": self.heatmap.margin,
            "heatmap_constant": self.heatmap.constant,
            "heatmap_limit": self.heat_limit(),
            "frame": self.image.frame,
            "frames": self.image.frames,
            "notes": list(self.image.notes),
            "lungs": {
                "believed": verdict.plausible,
                "share_of_body": verdict.lung_fraction,
                "suspicion": verdict.suspicion,
            },
            "architecture": self.engine.facts.architecture,
            "model_sha256": self.engine.facts.sha256["model.bin"],
            "recipe_hash": self.engine.facts.recipe_hash,
            "model_label": self.model_label,
            "little_lung": self.little_lung,
            "withheld": self.withheld,
            "synthetic": self.synthetic,
            **self._distance_json(),
            **self._calibration_json(),
            "averaging": {"views": self.averaging.views, "ensemble": list(self.averaging.names)},
        }

    def _distance_json(self) -> dict[str, Any]:
        reference = self.engine.reference
        if reference is None:
            return {"distance": None, "distance_check": "unavailable: the run kept no training features"}
        return {
            "distance": self.distance,
            "distance_check": {
                "threshold": reference.threshold,
                "unlike": self.is_unlike,
                "quantile": reference.quantile,
                "basis": reference.basis.model_dump(),
                "trained_on": reference.trained_on.model_dump(),
            },
        }

    def _calibration_json(self) -> dict[str, Any]:
        calibration = self.engine.calibration
        plain = self.averaging.is_plain  # nothing was fitted to averages
        point = calibration.operating_point if calibration is not None and plain else None
        return {
            "temperature": calibration.temperature if calibration is not None else None,
            "calibration_basis": calibration.basis.model_dump() if calibration is not None else None,
            "operating_point": None
            if point is None
            else point.model_dump() | {"called": self.probabilities[point.label] >= point.threshold},
            **self.conformal.to_json(calibration),
        }


def score_text(value: float) -> str:
    """Write a score with two digits, and never as certainty.

    >>> score_text(0.4251), score_text(0.9996), score_text(0.0001)
    ('0.43', '> 0.99', '< 0.01')
    """
    if value > 0.99:
        return "> 0.99"
    return "< 0.01" if value < 0.01 else f"{value:.2f}"


def error_json(*, input: str, reason: str) -> dict[str, Any]:
    """Return the contract's JSON object for an input that could not be read."""
    return {
        "input": input,
        "status": "error",
        "reason": reason,
        "label": None,
        "probabilities": {},
        "calibrated": False,
        "seen": "no",
        "heatmap": None,
        "notice": NOTICE,
    }
