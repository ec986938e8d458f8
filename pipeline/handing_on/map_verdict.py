"""What the map's report card says, in the words of whatever the map is handed on with."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.explanation.checks import LEVELS
from pipeline.explanation.report_card import ReportCard, refused_card
from pipeline.inference.prediction import Prediction

NOT_CHECKED = "Not checked."
_WHY_NOT = "How far this map can be trusted was not found out before it was handed on."


class MapVerdict(NamedTuple):
    """The verdict on a map, why, and the figure and outcome of each check; empty where there is nothing."""

    said: str
    because: str
    checks: str


def map_verdict(prediction: Prediction, card: ReportCard | None) -> MapVerdict:
    """Say how far a handed-on map can be trusted; where no card was made, that it was not checked."""
    card = known_card(prediction, card)
    if card is None:
        return MapVerdict(NOT_CHECKED, _WHY_NOT, "")
    rows = [f"{check.title} {check.value}".strip() + f" ({LEVELS[check.level]})" for check in card.checks]
    return MapVerdict(card.sentence, card.because, "; ".join(rows))


def known_card(prediction: Prediction, card: ReportCard | None) -> ReportCard | None:
    """Return the card of a map: of a refused slice, that it was refused, whatever was checked."""
    return card if prediction.status == "ok" else refused_card(prediction.reason)
