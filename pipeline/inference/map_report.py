"""The report card of a prediction's map: which slice, which map, and what the model's own check says."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.explanation.checks import MapInQuestion
from pipeline.explanation.closed_form import margin_contrast
from pipeline.explanation.methods import DEFAULT
from pipeline.explanation.occlusion import Patches
from pipeline.explanation.probe import probe_slice
from pipeline.explanation.report_card import ReportCard, make_report_card, refused_card
from pipeline.inference.prediction import Prediction
from pipeline.inference.randomized import map_check
from pipeline.progress import Progress, no_progress, section


def patches_of(prediction: Prediction) -> Patches:
    """Cut what the network saw of a slice into patches, its believed lungs known."""
    return Patches.cut(prediction.model_input, lungs=_lungs_on_input(prediction))


def contrast_of(prediction: Prediction, label: str, against: str | None = None) -> np.ndarray:
    """Return the weights of the logits in the margin of a class over the others, or over one rival."""
    classes = prediction.engine.classes
    rival = None if against is None else classes.index(against)
    return margin_contrast(len(classes), classes.index(label), rival=rival)


def question_of(
    prediction: Prediction,
    label: str,
    *,
    against: str | None = None,
    method: str = DEFAULT,
    values: np.ndarray | None = None,
) -> MapInQuestion:
    """Return what a report card asks of a map.

    Args:
        prediction: the slice and its answer.
        label: whose map.
        against: the rival whose map is taken off, where it is a difference.
        method: how it was made.
        values: float (h, w) over the network's field; None is the exact map.
    """
    exact = prediction.heatmap_of(label, against=against).values
    values = exact if values is None else values
    believed = prediction.preprocessed.verdict.plausible
    return MapInQuestion(
        values=values,
        contrast=contrast_of(prediction, label, against),
        method=method,
        exact=exact,
        on_slice=prediction.on_slice(values),
        lung_mask=prediction.preprocessed.lung_mask if believed else None,
        lungs_matter=label != NON_INFORMATIVE,
        refusal=prediction.reason if prediction.status == "rejected" else "",
    )


def report_map(
    prediction: Prediction, label: str | None = None, *, progress: Progress = no_progress
) -> ReportCard:
    """Check the exact map of a class, the predicted one where none is named."""
    network = prediction.engine
    question = question_of(prediction, label or prediction.label)
    if question.refusal:
        return refused_card(question.refusal)
    probe = probe_slice(network, patches_of(prediction), progress=section(progress, 0.0, 0.8))
    check = map_check(network, progress=section(progress, 0.8, 1.0)).check
    return make_report_card(network, probe, question, randomized=check)


def _lungs_on_input(prediction: Prediction) -> np.ndarray | None:
    """Return the believed lung mask over the network's input, uint8 (size, size); None without one."""
    mask = prediction.preprocessed.lung_mask
    if not mask.any():
        return None
    side, size = prediction.preprocessed.output.shape[0], prediction.model_input.shape[0]
    placed = cv2.warpAffine(mask, prediction.preprocessed.matrix, (side, side), flags=cv2.INTER_NEAREST)
    return cv2.resize(placed, (size, size), interpolation=cv2.INTER_NEAREST)
