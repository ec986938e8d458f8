"""How figures are said, on pages and in the report alike."""

from __future__ import annotations

from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import Evaluation


def estimate_text(estimate: Estimate, digits: int = 2) -> str:
    """Return an estimate as text: value, interval, or the reason why it is missing."""
    if estimate.value is None:
        return f"not known: {estimate.reason}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f} ({estimate.reason})"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def people_text(evaluation: Evaluation) -> str:
    """Return whose slices these are: `288 slices of 24 patients`, or `288 slices, patients unknown; ...`."""
    figures = evaluation.figures
    if evaluation.predictions.patients_known:
        return f"{figures.n:,} slices of {patients_text(evaluation)}"
    return f"{figures.n:,} slices, {patients_text(evaluation)}; {figures.groups:,} groups of alike slices"


def patients_text(evaluation: Evaluation) -> str:
    """Return how many patients there are, and of how many slices the patient is unknown."""
    patients, unknown = evaluation.figures.patients, evaluation.circumstances.without_patient
    if not unknown:
        return f"{patients:,} patients"
    if not patients:
        return "patients unknown"
    return f"{patients:,} patients known, those of {unknown:,} slices unknown"


def left_out_text(evaluation: Evaluation) -> str:
    """Return which classes and slices the figures say nothing of; empty where there are none."""
    predictions, parts = evaluation.predictions, []
    if evaluation.figures.absent:
        parts.append(f"No slice here is of class {', '.join(evaluation.figures.absent)}.")
    if predictions.unknown_labels:
        named = ", ".join(f"{label} ({count:,})" for label, count in predictions.unknown_labels.items())
        parts.append(f"Left out, because the model does not know the class: {named}.")
    if predictions.unlabelled:
        parts.append(f"{predictions.unlabelled:,} slices without a label are left out.")
    if predictions.excluded:
        parts.append(f"{predictions.excluded:,} slices that were excluded from the data set are left out.")
    return " ".join(parts)
