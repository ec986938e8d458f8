"""The answer for a whole series from those of its slices, by a rule that is stated with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.data.inputs import InputSlice
from pipeline.data.labels import NON_INFORMATIVE
from pipeline.notice import NOTICE

RULE = (
    "Rule: the class with the greatest mean {kind} over the slices that count (accepted, enough lung in "
    "view, not answered non-informative, each position once); non-informative itself is never chosen."
)
UNVALIDATED = (
    "The rule was not validated on patients: how often it is right is not known. A mean dilutes what only "
    "few slices show."
)
SYNTHETIC = "This model learnt from synthetic patients: about a real one it knows nothing."
LEFT_OUT = {
    "unreadable": "cannot be read",
    "refused": "not taken for chest CT",
    "unlike": "unlike the training",
    "little-lung": "too little lung in view",
    "non-informative": "answered non-informative",
    "repeated": "at a position that another slice has",
}
_SAME_MM = 0.01  # positions nearer than this are one
_GAP = 1.6  # a step so many times the usual one leaves room for a slice
_LEAST_STEPS = 3  # of two steps, neither is the usual one


@dataclass(frozen=True)
class SeriesSlice:
    """One slice of a series.

    Attributes:
        source: where it lies, and its position along the body.
        answer: as `predict --json` gives it.
        left_out: why it does not count by itself, a key of `LEFT_OUT`; empty where it does.
        patient_id: whose it is, where known.
    """

    source: InputSlice
    answer: dict[str, Any]
    left_out: str = ""
    patient_id: str | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """By class; empty where it could not be read."""
        found: dict[str, float] = self.answer["probabilities"]
        return found

    @property
    def lung_share(self) -> float | None:
        """The lungs' share of the body's area, None where it could not be read."""
        lungs = self.answer.get("lungs")
        return None if lungs is None else float(lungs["share_of_body"])


@dataclass(frozen=True)
class Case:
    """What the slices of one series say together.

    Attributes:
        name: the series.
        slices: from the head down.
        left_out: why each slice does not count, empty where it does; in their order.
        label: None where there is no answer; `reason` says why.
        means: mean probability by class over the slices that count.
        notes: what is odd about the series, one sentence each.
    """

    name: str
    slices: tuple[SeriesSlice, ...]
    left_out: tuple[str, ...]
    label: str | None = None
    reason: str = ""
    means: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> list[SeriesSlice]:
        """The slices that count."""
        return [each for each, why in zip(self.slices, self.left_out, strict=True) if not why]

    @property
    def counts(self) -> dict[str, int]:
        """How many of the slices that count were answered with each class, the most frequent first."""
        labels = [str(each.answer["label"]) for each in self.used]
        return {
            name: labels.count(name) for name in sorted(set(labels), key=lambda name: -labels.count(name))
        }

    @property
    def is_calibrated(self) -> bool:
        """Whether the slices' scores are probabilities; their mean is none of a patient's disease."""
        return any(each.answer["calibrated"] for each in self.slices)

    @property
    def has_positions(self) -> bool:
        """Whether it is known where along the body the slices lie."""
        return has_positions(self.slices)

    @property
    def rule(self) -> str:
        """How the answer was made, in words."""
        return RULE.format(kind="probability" if self.is_calibrated else "score (uncalibrated)")

    def left_out_counts(self) -> dict[str, int]:
        """Return how many slices were left out for each reason that occurs."""
        return {why: self.left_out.count(why) for why in LEFT_OUT if why in self.left_out}

    def left_out_words(self) -> str:
        """Say how many slices were left out and why; empty where none was."""
        return ", ".join(f"{count} {LEFT_OUT[why]}" for why, count in self.left_out_counts().items())

    def to_json(self) -> dict[str, Any]:
        """Return what `predict --series --json` prints after the lines of the slices."""
        return {
            "series": self.name,
            "status": "ok" if self.label is not None else "none",
            "reason": self.reason,
            "label": self.label,
            "probabilities": self.means,
            "slices_calibrated": self.is_calibrated,
            "validated_on_patients": False,
            "rule": f"{self.rule} {UNVALIDATED}",
            "n": len(self.slices),
            "used": len(self.used),
            "left_out": self.left_out_counts(),
            "answers": self.counts,
            "notes": list(self.notes),
            "position": "mm" if self.has_positions else "number",
            "slices": [
                {
                    "input": each.source.shown,
                    "frame": each.source.frame,
                    "position_mm": each.source.location,
                    "lung_share": each.lung_share,
                    "left_out": why or None,
                }
                for each, why in zip(self.slices, self.left_out, strict=True)
            ],
            "notice": NOTICE,
        }


def judge_case(name: str, slices: Sequence[SeriesSlice], *, synthetic: bool = False) -> Case:
    """Put the answers of a series' slices together.

    Args:
        name: what the series is called.
        slices: from the head down.
        synthetic: whether the model learnt from phantoms.
    """
    left_out = tuple(_left_out(slices))
    notes = (*_notes(slices, left_out), *([SYNTHETIC] if synthetic else []))
    case = Case(name, tuple(slices), left_out, notes=notes)
    reason = _why_none(case)
    if reason:
        return replace(case, reason=reason)
    classes = list(case.used[0].probabilities)
    means = {each: float(np.mean([one.probabilities[each] for one in case.used])) for each in classes}
    label = max((each for each in classes if each != NON_INFORMATIVE), key=lambda each: means[each])
    return replace(case, label=label, means=means)


def has_positions(slices: Sequence[SeriesSlice]) -> bool:
    """Return whether every slice that can be read has a position along the body."""
    known = [each.source.location for each in slices if each.answer["status"] != "error"]
    return bool(known) and None not in known


def _left_out(slices: Sequence[SeriesSlice]) -> list[str]:
    found, taken = [], set()
    for each in slices:
        why = each.left_out
        if not why and each.source.location is not None:
            place = round(each.source.location / _SAME_MM)
            why = "repeated" if place in taken else ""
            taken.add(place)
        found.append(why)
    return found


def _why_none(case: Case) -> str:
    patients = {each.patient_id for each in case.slices if each.patient_id}
    if len(patients) > 1:
        return (
            f"Slices of {len(patients)} patients carry this one series' name, so it has no answer as a case: "
            "bring each patient's slices alone."
        )
    if case.used:
        return ""
    if set(case.left_out) == {"unreadable"}:
        first = case.slices[0].answer["reason"]
        return f"None of its {len(case.slices)} slices can be read. The first: {first}"
    return f"No slice counts: of {len(case.slices)}, {case.left_out_words()}."


def _notes(slices: Sequence[SeriesSlice], left_out: Sequence[str]) -> list[str]:
    """Say what is odd about a series."""
    readable = [each for each in slices if each.answer["status"] != "error"]
    notes = []
    if len(readable) == 1:
        notes.append("One slice is no series: this is the answer for that slice alone.")
    unknown = sum(each.source.location is None for each in readable)
    if len(readable) > 1 and unknown:
        none = unknown == len(readable)
        lacking = "No slice has a" if none else f"{unknown} of {len(readable)} slices have no"
        notes.append(
            f"{lacking} position along the body: the slices stand in the order of their names, which need "
            "not be the body's."
        )
    elif len(readable) > 2:
        notes += _gaps([float(each.source.location or 0.0) for each in readable])
    repeated = list(left_out).count("repeated")
    if repeated:
        notes.append(f"{repeated} slices lie where another one does: the first at each position counts.")
    return notes


def _gaps(places: Sequence[float]) -> list[str]:
    """Say where slices seem to be missing; `places` are positions, mm, falling."""
    steps = -np.diff(places)
    apart = steps[steps > _SAME_MM]
    if len(apart) < _LEAST_STEPS:
        return []
    usual = float(np.median(apart))
    if not (steps > _GAP * usual).any():
        return []
    wide = np.flatnonzero(steps > _GAP * usual)
    missing = int(sum(max(1, round(steps[at] / usual) - 1) for at in wide))
    first = int(wide[0])
    return [
        f"About {missing} slice{'s' if missing > 1 else ''} seem to be missing: the usual step is "
        f"{usual:.1f} mm, and between {position_text(places[first])} and {position_text(places[first + 1])} "
        f"it is {steps[first]:.1f} mm."
    ]


def position_text(location: float) -> str:
    """Write a position along the body.

    >>> position_text(-210.5)
    '−210.5 mm'
    """
    return f"{location:.1f} mm".replace("-", "\N{MINUS SIGN}")
