"""How far a map can be trusted: what was measured of it, against which threshold, and a verdict in words.

A map can look right and say nothing: it may show edges that a network with random weights shows too (Adebayo
et al., NeurIPS 2018), or parts that the network does not use (Petsiuk et al., BMVC 2018). Each check below
can fail. They ask whether the map shows what the network uses; whether that is the lesion, and whether the
model is right, they cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.explanation.checks import (
    Check,
    MapInQuestion,
    agreement_check,
    deletion_check,
    insertion_check,
    lungs_check,
    stability_check,
)
from pipeline.explanation.faithfulness import Faithfulness, measure_faithfulness
from pipeline.explanation.occlusion import Network, to_grid
from pipeline.explanation.probe import Probe

RELY_NOT, CAUTION, NOTHING_AGAINST = "do-not-rely", "caution", "nothing-against"
VERDICTS = {
    RELY_NOT: "Do not rely on this map.",
    CAUTION: "Read this map with caution.",
    NOTHING_AGAINST: "No check speaks against this map.",
}


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

    def with_check(self, check: Check) -> ReportCard:
        """Return the card with one more check; a card without any stays as it is."""
        return judged([*self.checks, check], self.faithfulness) if self.checks else self

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        checks = [asdict(check) for check in self.checks]
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "because": self.because,
            "checks": checks,
        }


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
        return ReportCard(RELY_NOT, _because(bad, doubts), tuple(checks), faithfulness)
    if doubts:
        return ReportCard(CAUTION, _because([], doubts), tuple(checks), faithfulness)
    unmade = [
        check for check in checks if check.level == "unknown" and check.key in ("deletion", "insertion")
    ]
    if unmade:
        return ReportCard(CAUTION, unmade[0].finding, tuple(checks), faithfulness)
    made = sum(check.level == "good" for check in checks)
    because = f"It passed {made} of {len(checks)} checks; the others could not be made."
    if made == len(checks):
        because = (
            f"It passed all {made} checks: it shows what the network uses. That need not be the lesion, "
            "nor the model right."
        )
    return ReportCard(NOTHING_AGAINST, because, tuple(checks), faithfulness)


def _because(bad: Sequence[Check], doubts: Sequence[Check]) -> str:
    """Name the checks that speak against a map; the most telling finding in full."""
    parts = []
    for word, checks in (("Failed", bad), ("Doubtful", doubts)):
        if checks:
            parts.append(f"{word}: {', '.join(check.title.lower() for check in checks)}.")
    return " ".join([*parts, (*bad, *doubts)[0].finding])
