"""Is this model fit to help at the bedside, and how do we know? Claim by claim, each with its evidence.

The limits are choices, not laws, and they are stated with every line. What nobody measured is "not known",
which never counts as met. Even with every line met the answer is "worth a prospective study": figures on
stored slices cannot show that patients fare better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.evaluation.calibration import CalibrationFigures
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.figures import Figures
from pipeline.evaluation.subgroups import Subgroup

Status = Literal["met", "not met", "not known"]

MIN_PATIENTS = 100
"""Patients with and without a class (Collins, Ogundimu and Altman, Statistics in Medicine 2016, 35:214)."""
MIN_AUC = 0.80
MIN_SUBGROUP_AUC = 0.70
MAX_ECE = 0.05


@dataclass(frozen=True)
class Circumstances:
    """What the table of predictions cannot say about itself; None is "not known".

    Attributes:
        part: `train`, `val`, `calibration`, `test`, or None for another data set.
        synthetic: whether the slices were generated.
        synthetic_model: whether the model learned from generated slices.
        patients_known: whether every slice has a patient id.
        without_patient: slices without one.
        group_by: how the split was made: `patient`, `cluster` or `none`.
        shared_patients: patients of these slices that the model was trained or chosen on.
        shared_slices: slices, by their content, that it was trained or chosen on.
        external: whether these slices are of another data set than the training's.
        own_slices: slices, by their content, that are in any part of the run's own split.
        other_sources: whether no slice's source is one of the training's; None where one is not recorded.
        calibrated: whether the probabilities were calibrated on patients of their own.
        openings: how many different figures of this test part were looked at for this run.
        split_runs: how many runs opened the test part of this split.
        rejected: slices that the input gate would not have answered.
    """

    part: str | None = None
    synthetic: bool | None = None
    synthetic_model: bool = False
    patients_known: bool = False
    without_patient: int = 0
    group_by: str | None = None
    shared_patients: int | None = None
    shared_slices: int | None = None
    external: bool = False
    own_slices: int | None = None
    other_sources: bool | None = None
    calibrated: bool | None = None
    openings: int | None = None
    split_runs: int | None = None
    rejected: int | None = None


@dataclass(frozen=True)
class Line:
    """One condition of suitability."""

    claim: str
    status: Status
    evidence: str


@dataclass(frozen=True)
class Verdict:
    """The lines, and what they come to."""

    lines: tuple[Line, ...]
    summary: str

    def to_json(self) -> dict[str, Any]:
        """Return the summary and the lines."""
        return {"summary": self.summary, "lines": [vars(line) for line in self.lines]}


def judge(
    figures: Figures,
    *,
    calibration: CalibrationFigures | None,
    subgroups: Mapping[str, Sequence[Subgroup]],
    circumstances: Circumstances,
) -> Verdict:
    """Weigh the evidence for a model."""
    lines = (
        _real(circumstances),
        _unseen(circumstances),
        _enough(figures, circumstances),
        _discriminates(figures),
        _calibrated(calibration, circumstances),
        _even(subgroups, circumstances),
        _external(circumstances),
        *([] if circumstances.external else [_fresh(circumstances)]),
        Line(
            "Patients fare better with it than without it",
            "not known",
            "Stored slices cannot show this; a prospective study can.",
        ),
    )
    return Verdict(lines, _summary(lines, circumstances))


def _summary(lines: Sequence[Line], circumstances: Circumstances) -> str:
    if circumstances.synthetic:
        return "Not fit: the task is synthetic. These figures say nothing about COVID-19 or about patients."
    if circumstances.synthetic_model:
        return "Not fit: the model learned from phantoms, a synthetic task. It has never seen a patient."
    failed = sum(line.status == "not met" for line in lines)
    unknown = sum(line.status == "not known" for line in lines)
    if failed:
        return f"Not fit to help at the bedside: {failed} of {len(lines)} conditions are not met."
    if unknown > 1:
        return f"Not shown to be fit: {unknown} of {len(lines)} conditions are not known."
    return "Worth a prospective study under supervision; not shown to help at the bedside."


def _real(circumstances: Circumstances) -> Line:
    claim = "Learned from and tested on patients' slices"
    if circumstances.synthetic:
        return Line(claim, "not met", "The slices are phantoms: a synthetic task, not COVID-19.")
    if circumstances.synthetic_model:
        return Line(claim, "not met", "The model learned from phantoms: a synthetic task, not COVID-19.")
    if circumstances.synthetic is None:
        return Line(claim, "not known", "Where the slices come from is not recorded.")
    return Line(claim, "met", "The slices are not marked as generated.")


def _unseen(c: Circumstances) -> Line:
    claim = "Tested on patients that the model never saw"
    if c.part in ("train", "val", "calibration"):
        return Line(claim, "not met", f"These are the {c.part} slices, which the model was made with.")
    if c.shared_patients:
        return Line(claim, "not met", f"{c.shared_patients} of these patients were used to make the model.")
    if c.shared_slices:
        return Line(claim, "not met", f"{c.shared_slices} of these slices were used to make the model.")
    if c.part == "test" and c.group_by == "none":
        return Line(claim, "not met", "The split divides slices, not patients: neighbours are on both sides.")
    if not c.patients_known:
        kept = " Near-duplicates were kept together, which is less." if c.group_by == "cluster" else ""
        whose = f"{c.without_patient:,} slices are of unknown patients, who may be on both sides."
        return Line(claim, "not known", whose + kept)
    if c.shared_patients is None:
        return Line(claim, "not known", "The patients of the training are not recorded.")
    return Line(claim, "met", "No patient here is among those of training, validation or calibration.")


def _enough(figures: Figures, c: Circumstances) -> Line:
    claim = f"At least {MIN_PATIENTS} patients with each class"
    counts = {label: found.groups for label, found in figures.per_class.items()}
    evidence = ", ".join(f"{label} {count:,}" for label, count in counts.items())
    unit = "Patients" if c.patients_known else "Patients unknown or in part; groups of alike slices"
    evidence = f"{unit} with a slice of the class: {evidence}; {figures.groups:,} in all."
    if min(counts.values()) < MIN_PATIENTS:
        return Line(claim, "not met", evidence)
    return Line(claim, "met" if c.patients_known else "not known", evidence)


def _discriminates(figures: Figures) -> Line:
    claim = f"AUC of every class surely above {MIN_AUC:.2f}"
    aucs = {label: found.auc for label, found in figures.per_class.items()}
    evidence = "; ".join(
        f"{label} {_auc_text(found)}" if found.value is not None else f"{label}: {found.reason}"
        for label, found in aucs.items()
    )
    return Line(claim, _status([_surely_above(found, MIN_AUC) for found in aucs.values()]), evidence)


def _calibrated(calibration: CalibrationFigures | None, c: Circumstances) -> Line:
    claim = f"Probabilities of every class come true within {MAX_ECE:.2f} on average"
    if calibration is None or calibration.ece.value is None:
        return Line(claim, "not known", "The calibration error could not be computed.")
    errors = {"the called class": calibration.ece, **calibration.by_class}
    known = {label: error for label, error in errors.items() if error.value is not None}
    worst = max(known, key=lambda label: known[label].value or 0)
    evidence = (
        f"Expected calibration error (in tenths) of the called class {_error_text(calibration.ece)}"
        + ("." if worst == "the called class" else f", worst of {worst}: {_error_text(known[worst])}.")
    )
    if c.calibrated is False:
        uncalibrated = "The scores are uncalibrated; how far they would err read as probabilities:"
        return Line(claim, "not met", f"{uncalibrated} {evidence[0].lower()}{evidence[1:]}")
    if c.calibrated is None:
        return Line(claim, "not known", evidence)
    return Line(claim, _status([_surely_within(error, MAX_ECE) for error in known.values()]), evidence)


def _even(subgroups: Mapping[str, Sequence[Subgroup]], c: Circumstances) -> Line:
    claim = f"No subgroup's AUC below {MIN_SUBGROUP_AUC:.2f}, its interval included"
    found = [
        (group, label, group.figures.per_class[label].auc)
        for groups in subgroups.values()
        if len(groups) > 1
        for group in groups
        for label in ([group.against] if group.against else group.figures.labels)
        if group.figures.per_class[label].auc.value is not None
    ]
    if not found:
        return Line(claim, "not known", "No subgroup (source, scanner, age) could be compared.")
    statuses = [_surely_above(auc, MIN_SUBGROUP_AUC) for _, _, auc in found]
    status = _status(statuses)
    group, label, auc = min(
        (one for one, its in zip(found, statuses, strict=True) if its == status),
        key=lambda one: one[2].low if one[2].low is not None else one[2].value or 0,
    )
    evidence = f"Of {len(found)} figures {statuses.count('met')} surely are not"
    evidence += f", {count} too uncertain to tell" if (count := statuses.count("not known")) else ""
    evidence += f", {count} below" if (count := statuses.count("not met")) else ""
    named = f"{group.column.replace('_', ' ')}: {group.value}, {label} {_auc_text(auc)}"
    size = group.size_text("patient" if c.patients_known else "group")
    return Line(claim, status, f"{evidence}. Worst: {named}, {size}.")


def _surely_above(found: Estimate, limit: float) -> Status:
    """Return whether a figure is above a limit with its interval; what chance may explain is not known."""
    if found.value is None or found.low is None:
        return "not known"
    if found.value < limit:
        return "not met"
    return "met" if found.low >= limit else "not known"


def _surely_within(error: Estimate, limit: float) -> Status:
    """Return whether an error is below a limit, its interval included."""
    if error.value is None or error.high is None:
        return "not known"
    if error.value > limit:
        return "not met"
    return "met" if error.high <= limit else "not known"


def _status(statuses: Sequence[Status]) -> Status:
    """Return what many conditions come to: one that is not met decides, then one that is not known."""
    order: tuple[Status, ...] = ("not met", "not known", "met")
    return next(status for status in order if status in statuses)


def _auc_text(found: Estimate) -> str:
    interval = f"{found.low:.2f} to {found.high:.2f}" if found.low is not None else "no interval"
    return f"{found.value:.2f} ({interval})"


def _error_text(error: Estimate) -> str:
    interval = f" ({error.low:.3f} to {error.high:.3f})" if error.low is not None else ""
    return f"{error.value:.3f}{interval}"


def _external(c: Circumstances) -> Line:
    claim = "Tested on a data set from elsewhere"
    if not c.external:
        own = "These slices are of the run's own data set; evaluate it on one from elsewhere too."
        return Line(claim, "not known", own)
    if c.own_slices:
        return Line(claim, "not met", f"{c.own_slices:,} of these slices are in the run's own data set too.")
    if c.shared_patients:
        return Line(claim, "not met", "Patients of the training are in this data set too.")
    if c.other_sources is None:
        return Line(
            claim,
            "not known",
            "Another data set, but where its slices and the training's come from is not recorded: give each "
            "slice's hospital or scanner as `source` in the labels.csv of both.",
        )
    if not c.other_sources:
        return Line(claim, "not met", "Slices of this data set have a source that the training's have too.")
    return Line(claim, "met", "The sources of these slices are none of the training's.")


def _fresh(c: Circumstances) -> Line:
    claim = "The test part was opened once"
    if c.part != "test":
        return Line(claim, "not met", "This is not the run's own test part.")
    if c.openings is None:
        return Line(claim, "not known", "Openings are not recorded for this table.")
    evidence = f"Opened {c.openings} time{'s' if c.openings != 1 else ''} for this run"
    if c.split_runs is not None:
        evidence += f", by {c.split_runs} run{'s' if c.split_runs != 1 else ''} of this split in all"
    return Line(claim, "met" if c.openings <= 1 and (c.split_runs or 0) <= 1 else "not met", f"{evidence}.")
