"""What is looked at before a map is trusted: each check with its figure, its threshold and its basis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.explanation.faithfulness import Faithfulness
from pipeline.explanation.methods import DEFAULT, OCCLUSION
from pipeline.explanation.occlusion import occlusion_values, to_grid
from pipeline.explanation.probe import Probe
from pipeline.explanation.share import share_inside
from pipeline.explanation.stability import correlation, rank_correlation

Level = Literal["good", "doubt", "bad", "unknown"]
LEVELS = {"good": "passed", "doubt": "doubtful", "bad": "failed", "unknown": "could not be made"}

LEAST_DROP = 0.5  # logits between the whole and the emptied slice: a factor of 1.6 in the odds
MOST_ORDERS = 11 / 12  # of the random orders that a good map beats; two of 13 maps would by chance
LEAST_AGREEMENT = 0.3  # of 40 patches, what chance alone exceeds once in 30 maps
LUNG_DENSITY = 2.0  # heat in the lungs over what evenly spread heat would have there
STABLE, UNSTABLE = 0.9, 0.7
SAME_AS_RANDOM = 0.5


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        key: its name in files.
        title: its name on a page.
        value: the figure as text; empty where there is none.
        level: what it says of the map; `unknown` where it could not be made.
        finding: one sentence for the reader.
        basis: what it was measured on.
        threshold: what counts as good and bad, and why.
    """

    key: str
    title: str
    value: str
    level: Level
    finding: str
    basis: str
    threshold: str


@dataclass(frozen=True, eq=False)
class MapInQuestion:
    """A map and what it claims to explain.

    Attributes:
        values: float (h, w) over the network's field; signed where the method knows what speaks against.
        contrast: (c,), the margin that it explains, of `margin_contrast`.
        method: how it was made, a name of `pipeline.explanation.methods`.
        exact: float (h, w), the closed form of the same margin.
        on_slice: the same map over the slice's own pixels.
        lung_mask: (rows, columns) of the slice, None where none is believed.
        lungs_matter: whether what speaks for the class should lie in the lungs.
        refusal: why the slice was refused; empty where it was not.
    """

    values: np.ndarray
    contrast: np.ndarray
    method: str
    exact: np.ndarray
    on_slice: np.ndarray
    lung_mask: np.ndarray | None
    lungs_matter: bool = True
    refusal: str = ""


def deletion_check(found: Faithfulness) -> Check:
    """Check whether the margin falls faster in the map's order than in orders that know nothing."""
    return _order_check(
        key="deletion",
        title="Deletion",
        beaten=found.beaten_by_deletion,
        orders=found.orders,
        area=found.deletion.area,
        chance=float(found.deletion.random_areas.mean()),
        drop=found.drop,
        what="Hiding first what the map ranks highest lowers the margin",
    )


def insertion_check(found: Faithfulness) -> Check:
    """Check whether the margin rises faster in the map's order than in orders that know nothing."""
    return _order_check(
        key="insertion",
        title="Insertion",
        beaten=found.beaten_by_insertion,
        orders=found.orders,
        area=found.insertion.area,
        chance=float(found.insertion.random_areas.mean()),
        drop=found.drop,
        what="Showing first what the map ranks highest raises the margin",
    )


def _order_check(
    *, key: str, title: str, beaten: int, orders: int, area: float, chance: float, drop: float, what: str
) -> Check:
    if drop < LEAST_DROP:
        amount = "more than" if drop <= -LEAST_DROP else "as much as"
        return Check(
            key, title, "", "unknown",
            f"Nothing can be told from {title.lower()}: emptied of everything, the slice speaks for the "
            f"class {amount} it does whole.",
            basis="the margin of the whole and of the emptied slice",
            threshold=f"the margin must fall by {LEAST_DROP} logits",
        )  # fmt: skip
    level: Level = "bad" if 2 * beaten <= orders else "doubt" if beaten < MOST_ORDERS * orders else "good"
    how = {"good": f"faster than {beaten} of", "doubt": f"faster than only {beaten} of"}
    how["bad"] = "no faster than most of"
    return Check(
        key=key,
        title=title,
        value=f"{_signed(area)} against {_signed(chance)}",
        level=level,
        finding=f"{what} {how[level]} {orders} random orders.",
        basis=f"this slice, mean margin over 8 steps in logits, beside the mean of {orders} random orders",
        threshold=f"good: beats {MOST_ORDERS * orders:.0f} of {orders} (by chance 2 maps in {orders + 1}); "
        "bad: no more than half",
    )


_OTHER_WAY = {
    "occlusion": ": what the margin loses when each patch is hidden",
    "the exact map": ": what each cell adds to the margin",
}


def agreement_check(probe: Probe, ranked: np.ndarray, question: MapInQuestion) -> Check:
    """Check whether the map ranks the patches as another method does: by hiding, or exactly."""
    other, what = occlusion_values(probe.occluded, probe.ends[0], question.contrast), "occlusion"
    if question.method == OCCLUSION:
        other, what = to_grid(question.exact, probe.patches.grid), "the exact map"
    filled = probe.patches.filled
    found = correlation(ranked[filled], other[filled])
    level: Level = "unknown"
    finding = f"One of the two is constant, so the map cannot be compared with {what}."
    if found is not None:
        level = "good" if found >= LEAST_AGREEMENT else "doubt" if found > 0 else "bad"
        word = {"good": "agrees with", "doubt": "agrees little with", "bad": "contradicts"}[level]
        finding = f"The map {word} {what}{_OTHER_WAY[what]}."
    return Check(
        key="agreement",
        title=f"Agreement with {what}",
        value="" if found is None else _signed(found),
        level=level,
        finding=finding,
        basis=f"this slice, correlation of the values of the {int(filled.sum())} patches that show anything",
        threshold=f"good: from {LEAST_AGREEMENT} on (chance exceeds it once in 30 maps); bad: 0 and below",
    )


def stability_check(probe: Probe, question: MapInQuestion) -> Check:
    """Check whether the map stays when the slice changes by what no reader would see."""
    known = [rank_correlation(question.values, cells @ question.contrast) for cells in probe.moved]
    level: Level = "unknown"
    finding, value = "How it bears small changes is measured for the exact map only.", ""
    if question.method == DEFAULT and None not in known:
        lowest = min(each for each in known if each is not None)
        level = "good" if lowest >= STABLE else "doubt" if lowest >= UNSTABLE else "bad"
        word = {"good": "stays", "doubt": "changes somewhat", "bad": "becomes another"}[level]
        finding, value = (
            f"The map {word} when the slice is moved by two pixels or gets 1 % noise.",
            _signed(lowest),
        )
    return Check(
        key="stability",
        title="Stability",
        value=value,
        level=level,
        finding=finding,
        basis="this slice, lowest rank correlation with the maps of 4 shifts and 3 draws of noise",
        threshold=f"good: from {STABLE} on; bad: below {UNSTABLE}",
    )


def lungs_check(question: MapInQuestion) -> Check:
    """Check whether what speaks for the class lies in the lungs more than by chance."""
    mask = question.lung_mask
    inside = None if mask is None else share_inside(question.on_slice, mask)
    area = 0.0 if mask is None else np.count_nonzero(mask) / mask.size
    level: Level = "unknown"
    finding = "No lung mask is believed for this slice." if mask is None else "Nothing speaks for the class."
    if not question.lungs_matter:
        finding = "For this class the evidence may lie anywhere."
    elif inside is not None:
        level = "bad" if inside <= area else "doubt" if inside < LUNG_DENSITY * area else "good"
        finding = f"{inside:.0%} of what speaks for the class lies in the lungs, {area:.0%} of the picture."
    return Check(
        key="lungs",
        title="Heat inside the lungs",
        value="" if inside is None else f"{inside:.0%}",
        level=level,
        finding=finding,
        basis="this slice, positive heat inside the believed lung mask",
        threshold="good: at least twice what evenly spread heat would have there; bad: no more than that",
    )


def randomized_check(correlations: dict[str, float], *, basis: str) -> Check:
    """Say whether the model's maps depend on what it learned.

    Args:
        correlations: median rank correlation of the maps with those of the same network after its weights
            were randomised, by how much of it was; the last is all of it.
        basis: on what it was measured.
    """
    found = abs(list(correlations.values())[-1])
    level: Level = "good" if found < SAME_AS_RANDOM else "bad"
    finding = (
        "With random weights the model's exact maps become others: they show what it learned."
        if level == "good"
        else "With random weights its exact maps stay alike: they show the picture, not what it learned."
    )
    steps = ", ".join(f"{name} {_signed(value)}" for name, value in correlations.items())
    return Check(
        key="randomized",
        title="Random weights",
        value=_signed(list(correlations.values())[-1]),
        level=level,
        finding=finding,
        basis=f"{basis}; median rank correlation of the maps before and after: {steps}",
        threshold=f"good: the last within {SAME_AS_RANDOM} of 0; bad: beyond",
    )


def randomized_unmade() -> Check:
    """Return what stands for the model's own check where it could not be made."""
    return Check(
        key="randomized",
        title="Random weights",
        value="",
        level="unknown",
        finding="One check could not be made: whether the model's maps show what it learned.",
        basis="this model",
        threshold=f"good: a correlation within {SAME_AS_RANDOM} of 0; bad: beyond",
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
