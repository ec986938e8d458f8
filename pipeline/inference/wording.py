"""What is said beside an answer, in the same words on the page and on whatever leaves it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.data.labels import NON_INFORMATIVE
from pipeline.inference.prediction import Prediction, score_text


def distance_words(prediction: Prediction) -> str:
    """Say how far the slice is from the training's, and what the limit was set on."""
    reference = prediction.engine.reference
    if reference is None or prediction.distance is None:
        return "Distance from the training slices: not available, this run kept none"
    where = f"Distance {prediction.distance:.1f} from {reference.trained_on.text}"
    share = f"{reference.quantile:.0%} of" if reference.quantile < 1 else "all"
    return f"{where}; limit {reference.threshold:.1f}, which {share} {reference.basis.text} keep to"


def is_near(prediction: Prediction) -> bool:
    """Return whether a slice is known to be like the training's."""
    return prediction.distance is not None and not prediction.is_unlike and not prediction.unlike_drawn


def nearness_words(prediction: Prediction) -> str:
    """Say in short what `distance_words` says, of a slice that was let in: little lung never rejects."""
    reference = prediction.engine.reference
    if prediction.unlike_drawn:
        return "Does not look like the synthetic slices it was trained on"
    if reference is None or prediction.distance is None:
        return distance_words(prediction)
    where = "Near" if is_near(prediction) else "Far from"
    return f"{where} its training slices: distance {prediction.distance:.1f}, limit {reference.threshold:.1f}"


def has_answer(prediction: Prediction) -> bool:
    """Return whether a class is answered: with little lung in view no disease's is."""
    return not prediction.little_lung or prediction.label == NON_INFORMATIVE


def answer_words(prediction: Prediction) -> str:
    """Return the class that is answered, in words."""
    return prediction.label if has_answer(prediction) else "no answer"


def shown_labels(prediction: Prediction) -> list[str]:
    """Return the classes whose scores are shown, greatest first: where it is withheld no disease's."""
    ranked = sorted(prediction.engine.classes, key=lambda label: -prediction.probabilities[label])
    if not prediction.withheld:
        return ranked
    return [NON_INFORMATIVE] if prediction.model_label == NON_INFORMATIVE else []


def score_kind(prediction: Prediction) -> str:
    """Say what the numbers are: how often the model is right on slices that are refused nobody knows."""
    if prediction.status == "rejected":
        return "score"
    return "probability" if prediction.calibrated else "score (uncalibrated)"


def score_notes(prediction: Prediction) -> list[str]:
    """Say what the numbers are and what they were fitted on."""
    if prediction.little_lung:
        return ["With so little lung in view no probability of disease is shown."]
    if prediction.withheld:
        return ["Where the answer is non-informative no probability of disease is shown."]
    calibration = prediction.engine.calibration
    if prediction.status == "rejected":
        notes = ["Scores, not probabilities: on slices that are refused nobody tested how often it is right."]
    elif calibration is None or not prediction.calibrated:
        notes = [
            "Score (uncalibrated): not a probability of disease: models like this one are surer than they "
            "are right."
        ]
    else:
        notes = [
            f"Probability: fitted to how often the model was right on {calibration.basis.text}, temperature "
            f"{calibration.temperature:.2f}."
        ]
    if prediction.synthetic and not prediction.engine.synthetic:
        notes.append(
            "One of the averaged networks learnt from synthetic slices: of real ones it knows nothing."
        )
    if not prediction.averaging.is_plain and prediction.members is not None:
        place = prediction.engine.classes.index(prediction.label)
        low, high = (float(end(prediction.members[:, place])) for end in (np.min, np.max))
        notes.append(
            f"It is {prediction.averaging.text}, which give {score_text(low)} to {score_text(high)} for "
            f"{prediction.label}."
        )
    return notes


def picture_notes(prediction: Prediction) -> list[str]:
    """Say what was done to the picture before the model saw it, and what is odd about its lungs."""
    done = "; ".join(prediction.image.notes)
    suspicion = prediction.preprocessed.verdict.suspicion
    return [*([f"The picture: {done}."] if done else []), *([suspicion] if suspicion else [])]


class Doubt(NamedTuple):
    """What keeps an answer from being certain: a title, a sentence, and what that rests on."""

    title: str
    said: str
    note: str


def doubts(prediction: Prediction) -> list[Doubt]:
    """Say what cannot be excluded and what the operating point calls; nothing where nothing was fitted to
    slices like this one."""
    calibration = prediction.engine.calibration
    if calibration is None or prediction.withheld or prediction.status == "rejected":
        return []
    answer = prediction.conformal
    said, _, reason = answer.sentence.partition(": ") if answer.labels is None else (answer.sentence, "", "")
    note = reason[:1].upper() + reason[1:]
    if answer.labels is not None and calibration.conformal is not None:
        left_out = [name for name in prediction.engine.classes if name not in calibration.conformal.floors]
        silent = f"; says nothing of {', '.join(left_out)}" if left_out else ""
        note = (
            f"Such sets hold the right class in {1 - calibration.conformal.alpha:.0%} of new patients' "
            f"slices{silent}. Fitted on the same slices."
        )
    rows = [Doubt("Cannot be excluded", said, note)]
    point = calibration.operating_point
    if point is not None and prediction.averaging.is_plain:
        called = prediction.probabilities[point.label] >= point.threshold
        verdict = f"{'Called' if called else 'Not called'} {point.label} (from {point.threshold:.2f} on)."
        note = (
            f"Chosen on those slices to find {point.target:.0%} of the {point.label} ones; it cleared "
            f"{point.specificity:.0%} of the others there. Evaluate tries it on other slices."
        )
        rows.append(Doubt("To miss few", verdict, note))
    return rows
