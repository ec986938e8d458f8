"""An answer beside the one that was handed on: what is the same, how far the rest lies apart, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.handing_on.bundle import Bundle
from pipeline.handing_on.record import Record
from pipeline.notice import NOTICE

ROUNDING = 1e-4  # of a probability, and of the map as a share of its colour scale: processors differ by less
Verdict = Literal["identical", "same", "different"]


@dataclass(frozen=True)
class Comparison:
    """Two answers for one slice.

    Attributes:
        then, now: the record of the bundle, and today's.
        slice_from: where today's slice came from.
        probability_difference, logit_difference: the largest over the classes.
        map_difference: the largest over classes and cells, logit margin a cell; None where the maps have
            other cells.
    """

    then: Record
    now: Record
    slice_from: str
    probability_difference: float
    logit_difference: float
    map_difference: float | None

    @property
    def verdict(self) -> Verdict:
        """`identical` to the last digit, the `same` within rounding, or `different`."""
        differences = (self.probability_difference, self.logit_difference, self.map_difference)
        if not self._agrees:
            return "different"
        return "same" if any(differences) else "identical"

    @property
    def _agrees(self) -> bool:
        then, now = self.then.answer, self.now.answer
        return (
            (then.status, then.label, then.conformal_set) == (now.status, now.label, now.conformal_set)
            and self.probability_difference <= ROUNDING
            and self.map_difference is not None
            and self.map_difference <= ROUNDING * then.heatmap_limit
        )

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.verdict == "identical":
            return "Reproduced: the same answer to the last digit."
        if self.verdict == "same":
            return f"Reproduced within rounding: {self._figures}."
        then, now = self.then.answer, self.now.answer
        said = "" if then.label == now.label else f" It said {then.label}, and says {now.label} now."
        return f"Not reproduced: {self._figures}.{said}"

    @property
    def _figures(self) -> str:
        maps = (
            "the maps have other cells"
            if self.map_difference is None
            else f"the map by {self.map_difference:.2g} of a scale that ends at "
            f"{self.then.answer.heatmap_limit:.3g} (logit margin a cell)"
        )
        return f"a probability differs by up to {self.probability_difference:.2g}, {maps}"

    @property
    def reasons(self) -> list[str]:
        """Sentences on what is not as it was."""
        return list(_reasons(self.then, self.now))

    def to_json(self) -> dict[str, Any]:
        """Return what `reproduce --json` prints."""
        then, now = self.then, self.now
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "reasons": self.reasons,
            "run": now.model.name,
            "run_id": now.model.run,
            "slice_from": self.slice_from,
            "same_slice": then.slice.content_hash == now.slice.content_hash,
            "same_recipe": then.model.recipe_hash == now.model.recipe_hash,
            "same_model": then.model.sha256 == now.model.sha256,
            "same_calibration": then.model.calibration == now.model.calibration,
            "same_versions": then.versions == now.versions,
            "probability_difference": self.probability_difference,
            "logit_difference": self.logit_difference,
            "map_difference": self.map_difference,
            "map_scale": then.answer.heatmap_limit,
            "then": _said(then),
            "now": _said(now),
            "notice": NOTICE,
        }


def compare(then: Bundle, now: Bundle, *, slice_from: str) -> Comparison:
    """Compare two answers of models that know the same classes, in the same order."""
    apart = np.abs(now.heatmap - then.heatmap) if now.heatmap.shape == then.heatmap.shape else None
    before, after = then.record.answer, now.record.answer
    return Comparison(
        then=then.record,
        now=now.record,
        slice_from=slice_from,
        probability_difference=_largest(before.probabilities, after.probabilities),
        logit_difference=_largest(before.logits, after.logits),
        map_difference=float(apart.max()) if apart is not None else None,
    )


def _largest(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    return max(abs(after[name] - value) for name, value in before.items())


def _reasons(then: Record, now: Record) -> Iterator[str]:
    before, after = then.model, now.model
    if before.sha256 != after.sha256:
        yield (
            f"Another model: the weights of {before.name} had the sha256 {before.sha256['model.bin'][:12]}, "
            f"those of {after.name} have {after.sha256['model.bin'][:12]}."
        )
    if before.recipe_hash != after.recipe_hash:
        changed = ", ".join(_changed(before.recipe, after.recipe)) or "the version of a stage"
        yield f"Another recipe: {changed} differs."
    if before.calibration != after.calibration:
        yield f"Another calibration: temperature {_temperature(then)} then, {_temperature(now)} now."
    if before.distance_threshold != after.distance_threshold:
        yield "Another limit of the distance from the training slices."
    if before.precision != after.precision or before.device != after.device:
        yield (
            f"Computed in {before.precision} on {before.device} then, in {after.precision} on {after.device} "
            "now."
        )
    if then.averaging != now.averaging:
        yield "The networks that it is averaged with are not those of then."
    for name in _changed(then.versions, now.versions):
        was, new = then.versions.get(name, "none"), now.versions.get(name, "none")
        yield f"Another version: {name} {was} then, {new} now."


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _temperature(record: Record) -> str:
    calibration = record.model.calibration
    return f"{calibration.temperature:.3f}" if calibration is not None else "none (uncalibrated)"


def _said(record: Record) -> dict[str, Any]:
    answer = record.answer
    return {
        "status": answer.status,
        "label": answer.label,
        "probabilities": answer.probabilities,
        "conformal_set": answer.conformal_set,
        "gate_passed": record.gate["passed"],
    }
