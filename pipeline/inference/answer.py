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


def decide(
    engine: Engine,
    *,
    refusals: Sequence[str],
    lung_fraction: float,
    probabilities: Mapping[str, float],
    distance: float | None,
) -> Answer:
    """Decide what is said of a slice.

    Args:
        engine: with its reference, where it has one.
        refusals: the gate's sentences, none where it lets the slice in.
        lung_fraction: the lungs' share of the body's area, [0, 1].
        probabilities: by class.
        distance: from the training slices in feature space, None where it cannot be told.
    """
    model_label = max(engine.classes, key=lambda name: probabilities[name])
    too_little = lung_fraction < LEAST_LUNG
    label = NON_INFORMATIVE if too_little and NON_INFORMATIVE in engine.classes else model_label
    little_lung = too_little or label == NON_INFORMATIVE
    unlike = ""
    if not little_lung and distance is not None and engine.reference is not None:
        unlike = engine.reference.sentence(distance)
    sentences = (*refusals, *([unlike] if unlike else []))
    return Answer(
        status="rejected" if sentences else "ok",
        reason=" ".join(sentences) or (_little_lung(engine) if little_lung else ""),
        label=label,
        model_label=model_label,
        little_lung=little_lung,
        unlike=bool(unlike),
    )


def _little_lung(engine: Engine) -> str:
    if NON_INFORMATIVE in engine.classes:
        return "Too little lung is in view to judge: choose another slice."
    return "Little lung is in view, and this model has no class for that: choose another slice."
