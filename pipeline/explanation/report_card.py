"""How far a map can be trusted: what was measured of it, against which threshold, and a verdict in words.

A map can look right and say nothing: it may show edges that a network with random weights shows too (Adebayo
et al., NeurIPS 2018), or parts that the network does not use (Petsiuk et al., BMVC 2018). Each check below
can fail; what it cannot show is whether the model is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pipeline.explanation.faithfulness import Faithfulness, measure_faithfulness
from pipeline.explanation.occlusion import Network, occlusion_values, to_grid
from pipeline.explanation.probe import Probe
from pipeline.explanation.share import share_inside
from pipeline.explanation.stability import rank_correlation

Level = Literal["good", "doubt", "bad", "unknown"]

LEAST_AGREEMENT = 0.3  # of 40 patches, what chance alone exceeds once in 20 maps
STABLE, UNSTABLE = 0.9, 0.7
SAME_AS_RANDOM = 0.5

RELY_NOT, CAUTION, NOTHING_AGAINST = "do-not-rely", "caution", "nothing-against"
VERDICTS = {
    RELY_NOT: "Do not rely on this map.",
    CAUTION: "Read this map with caution.",
    NOTHING_AGAINST: "No check speaks against this map.",
}


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
class ReportCard:
    """The verdict on one map, with its evidence.

    Attributes:
        verdict: a key of `VERDICTS`.
        because: why, one sentence.
        checks: what was looked at.
        faithfulness: deletion and insertion, None where they could not be made.
    """

    verdict: str
    because: str
    checks: tuple[Check, ...]
    faithfulness: Faithfulness | None = None

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return VERDICTS[self.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        checks = [asdict(check) for check in self.checks]
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "because": self.because,
            "checks": checks,
        }


@dataclass(frozen=True, eq=False)
class MapInQuestion:
    """A map and what it claims to explain.

    Attributes:
        values: float (h, w) over the network's field; signed where the method knows what speaks against.
        contrast: (c,), the margin that it explains, of `margin_contrast`.
        is_exact: whether it is the closed form, whose maps of changed slices are known.
        on_slice: the same map over the slice's own pixels.
        lung_mask: (rows, columns) of the slice, None where none is believed.
        lungs_matter: whether what speaks for the class should lie in the lungs.
        refusal: why the slice was refused; empty where it was not.
    """

    values: np.ndarray
    contrast: np.ndarray
    is_exact: bool
    on_slice: np.ndarray
    lung_mask: np.ndarray | None
    lungs_matter: bool = True
    refusal: str = ""


def make_report_card(
    network: Network, probe: Probe, question: MapInQuestion, *, randomized: Check | None = None
) -> ReportCard:
    """Check one map.

    Args:
        network: the model; asked about two times seven changed copies of the slice.
        probe: what it said of the slice's other copies.
        question: the map.
        randomized: the model's own check against random weights, where it was made.
    """
    if question.refusal:
        return refused_card(question.refusal)
    if np.ptp(question.values) <= 1e-6 * max(1.0, float(np.abs(question.values).max())):
        return ReportCard(RELY_NOT, "The map is constant: it points to no place.", ())
    ranked = to_grid(question.values, probe.patches.grid)
    faithfulness = measure_faithfulness(
        network, probe.patches, ranked, ends=probe.ends, random=probe.random, contrast=question.contrast
    )
    checks = [
        deletion_check(faithfulness),
        insertion_check(faithfulness),
        agreement_check(probe, ranked, question),
        stability_check(probe, question),
        lungs_check(question),
    ]
    if randomized is not None:
        checks.append(randomized)
    return judged(checks, faithfulness)


def refused_card(reason: str) -> ReportCard:
    """Return the card of a slice that was refused: there is nothing to check."""
    return ReportCard(RELY_NOT, f"The slice was refused: {reason}", ())


def judged(checks: Sequence[Check], faithfulness: Faithfulness | None = None) -> ReportCard:
    """Return the verdict of the checks: one that fails is enough, a doubt asks for caution."""
    bad = [check for check in checks if check.level == "bad"]
    doubts = [check for check in checks if check.level == "doubt"]
    if bad:
        return ReportCard(RELY_NOT, _because(bad), tuple(checks), faithfulness)
    if doubts:
        return ReportCard(CAUTION, _because(doubts), tuple(checks), faithfulness)
    made = sum(check.level == "good" for check in checks)
    because = f"It passed {made} of {len(checks)} checks; the others could not be made."
    if made == len(checks):
        because = f"It passed all {made} checks. They do not tell whether the model is right."
    return ReportCard(NOTHING_AGAINST, because, tuple(checks), faithfulness)


def _because(checks: Sequence[Check]) -> str:
    return " ".join(check.finding for check in checks)


def deletion_check(found: Faithfulness) -> Check:
    """Check whether the margin falls faster in the map's order than in orders that know nothing."""
    return _order_check(
        key="deletion",
        title="Deletion",
        beaten=found.beaten_by_deletion,
        orders=found.orders,
        area=found.deletion.area,
        chance=float(found.deletion.random_areas.mean()),
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
        what="Showing first what the map ranks highest raises the margin",
    )


def _order_check(
    *, key: str, title: str, beaten: int, orders: int, area: float, chance: float, what: str
) -> Check:
    level: Level = "good" if beaten == orders else "doubt" if 2 * beaten > orders else "bad"
    how = {
        "good": "faster than all",
        "doubt": f"faster than only {beaten} of",
        "bad": "no faster than most of",
    }
    return Check(
        key=key,
        title=title,
        value=f"{_signed(area)} against {_signed(chance)}",
        level=level,
        finding=f"{what} {how[level]} {orders} random orders.",
        basis=f"this slice, mean margin over 8 steps in logits, beside the mean of {orders} random orders",
        threshold=f"good: beats all {orders} (by chance once in {orders + 1}); bad: beats no more than half",
    )


def agreement_check(probe: Probe, ranked: np.ndarray, question: MapInQuestion) -> Check:
    """Check whether the map ranks the patches as hiding each of them does."""
    hidden = occlusion_values(probe.occluded, probe.ends[0], question.contrast)
    filled = probe.patches.filled
    found = rank_correlation(ranked[filled], hidden[filled])
    level: Level = "unknown"
    finding = "Hiding single patches changes nothing, so the map cannot be compared with it."
    if found is not None:
        level = "good" if found >= LEAST_AGREEMENT else "doubt" if found > 0 else "bad"
        word = {"good": "agrees with", "doubt": "agrees little with", "bad": "contradicts"}[level]
        finding = f"The map {word} what the margin loses when each patch is hidden."
    return Check(
        key="agreement",
        title="Agreement with occlusion",
        value="" if found is None else _signed(found),
        level=level,
        finding=finding,
        basis=f"this slice, rank correlation over the {int(filled.sum())} patches that show anything",
        threshold=f"good: from {LEAST_AGREEMENT} on (chance exceeds it once in 20); bad: 0 and below",
    )


def stability_check(probe: Probe, question: MapInQuestion) -> Check:
    """Check whether the map stays when the slice changes by what no reader would see."""
    known = [rank_correlation(question.values, cells @ question.contrast) for cells in probe.moved]
    level: Level = "unknown"
    finding, value = "How it bears small changes is measured for the exact map only.", ""
    if question.is_exact and None not in known:
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
        level = "good" if inside >= 0.5 else "doubt" if inside > area else "bad"
        finding = (
            f"{inside:.0%} of what speaks for the class lies inside the lungs, {area:.0%} of the picture."
        )
    return Check(
        key="lungs",
        title="Heat inside the lungs",
        value="" if inside is None else f"{inside:.0%}",
        level=level,
        finding=finding,
        basis="this slice, positive heat inside the believed lung mask",
        threshold="good: at least half; bad: no more than evenly spread heat would have (the mask's area)",
    )


def randomized_check(correlations: dict[str, float], *, basis: str) -> Check:
    """Say whether the model's maps depend on what it learned.

    Args:
        correlations: median rank correlation of the maps with those of the same network after its weights
            were shuffled, by how much was shuffled; the last is all of it.
        basis: on what it was measured.
    """
    found = abs(list(correlations.values())[-1])
    level: Level = "good" if found < SAME_AS_RANDOM else "bad"
    finding = (
        "With shuffled weights the model's maps become others: they show what it learned."
        if level == "good"
        else "With shuffled weights the model's maps stay alike: they show the picture, not what it learned."
    )
    steps = ", ".join(f"{name} {_signed(value)}" for name, value in correlations.items())
    return Check(
        key="randomized",
        title="Shuffled weights",
        value=_signed(list(correlations.values())[-1]),
        level=level,
        finding=finding,
        basis=f"{basis}; median rank correlation of the maps before and after: {steps}",
        threshold=f"good: the last within {SAME_AS_RANDOM} of 0; bad: beyond",
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
