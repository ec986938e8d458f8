"""One slice's answer from what the gate, the lung mask and the network say: one rule, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.inference.engine import Engine
from pipeline.preprocessing.lungs.verdict import LEAST_LUNG


@dataclass(frozen=True)
class Answer:
    """What is said of a slice; see the attributes of the same names of `Prediction`."""

    status: Literal["ok", "rejected"]
    reason: str
    label: str
    model_label: str
    little_lung: bool
    unlike: bool

    @property
    def withheld(self) -> bool:
        """Whether no probability of disease is shown."""
        return is_withheld(self.label, little_lung=self.little_lung)


def is_withheld(label: str, *, little_lung: bool) -> bool:
    """Return whether an answer says nothing of disease: too little lung in view, or `non-informative`."""
    return little_lung or label == NON_INFORMATIVE


def decide(
    engine: Engine,
    *,
    refusals: Sequence[str],
    lung_fraction: float,
    lungs_believed: bool,
    probabilities: Mapping[str, float],
    distance: float | None,
    unlike_drawn: str = "",
) -> Answer:
    """Decide what is said of a slice.

    Args:
        engine: with its reference, where it has one.
        refusals: the gate's sentences, none where it lets the slice in.
        lung_fraction: the lungs' share of the body's area, [0, 1].
        lungs_believed: whether the lung mask is.
        probabilities: by class.
        distance: from the training slices in feature space, None where it cannot be told.
        unlike_drawn: of a model that learnt from synthetic slices, why this is none; else empty.
    """
    model_label = max(engine.classes, key=lambda name: probabilities[name])
    little_lung = lung_fraction < LEAST_LUNG
    label = NON_INFORMATIVE if little_lung and NON_INFORMATIVE in engine.classes else model_label
    withheld = is_withheld(label, little_lung=little_lung)
    unlike = [] if little_lung else _unlike(engine, None if withheld else distance, unlike_drawn)
    sentences = [*refusals, *unlike]
    reason = _why_withheld(engine, lung_fraction, lungs_believed) if withheld else ""
    return Answer(
        status="rejected" if sentences else "ok",
        reason=" ".join(sentences) or reason,
        label=label,
        model_label=model_label,
        little_lung=little_lung,
        unlike=bool(unlike),
    )


def _unlike(engine: Engine, distance: float | None, unlike_drawn: str) -> list[str]:
    """Return why the slice is unlike the training's, in sentences; the one that says more stands alone."""
    if unlike_drawn or distance is None or engine.reference is None:
        return [unlike_drawn] if unlike_drawn else []
    said = engine.reference.sentence(distance)
    return [said] if said else []


def _why_withheld(engine: Engine, lung_fraction: float, lungs_believed: bool) -> str:
    if lung_fraction < LEAST_LUNG:
        if NON_INFORMATIVE in engine.classes:
            return "Too little lung is in view to judge: choose another slice."
        return "Little lung is in view, and this model has no class for that: choose another slice."
    though = f", though the lungs found fill {lung_fraction:.0%} of the body" if lungs_believed else ""
    return f"The model takes this slice for non-informative{though}: choose another slice."
