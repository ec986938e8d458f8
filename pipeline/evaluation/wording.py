"""How figures are said, on pages and in the report alike."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import Evaluation


def focus_class(labels: Sequence[str]) -> str:
    """Return the class that a clinician asks about first: `positive` where there is one, else the last."""
    return "positive" if "positive" in labels else labels[-1]


def estimate_text(estimate: Estimate, digits: int = 2) -> str:
    """Return an estimate as text: value, interval, or the reason why it is missing."""
    if estimate.value is None:
        return f"not known: {estimate.reason}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f} ({estimate.reason})"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def people_text(evaluation: Evaluation) -> str:
    """Return whose slices these are: `288 slices of 24 patients`, or `patients unknown`."""
    figures, predictions = evaluation.figures, evaluation.predictions
    if predictions.patients_known:
        return f"{figures.n:,} slices of {figures.patients:,} patients"
    known = f", {figures.patients:,} of them known" if figures.patients else ""
    return f"{figures.n:,} slices, patients unknown{known}; {figures.groups:,} groups of alike slices"
