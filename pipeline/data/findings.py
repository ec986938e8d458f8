"""What an audit says: one finding, one sentence, the slices it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["bad", "warn", "note"]
Area = Literal["quality", "composition", "duplicates", "leakage", "shortcuts"]
SEVERITIES: tuple[Severity, ...] = ("bad", "warn", "note")
AREAS: dict[Area, str] = {
    "shortcuts": "What gives the class away",
    "leakage": "Leakage",
    "duplicates": "Copies",
    "composition": "Make-up of the data",
    "quality": "Quality of single slices",
}
MOST_SLICES = 500  # named in a finding; `count` says how many there are


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, doubtful or good to know.

    Attributes:
        code: stable name of the kind of finding, for example `exact-copies-across-classes`.
        title, text: a few words, and what it means and what to do.
        count: slices (or pairs, as `unit` says) concerned.
        slice_ids: the first 500 of them; for pairs one after the other.
        estimate: `{"value", "low", "high"}` where the finding is an estimate.
    """

    area: Area
    code: str
    severity: Severity
    title: str
    text: str
    count: int
    unit: str = "slices"
    slice_ids: Sequence[str] = ()
    estimate: dict[str, float] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slice_ids", tuple(str(one) for one in self.slice_ids[:MOST_SLICES]))

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return asdict(self) | {"slice_ids": list(self.slice_ids)}


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst and most frequent first."""
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), -finding.count))


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "slice"), counted(1200, "slice"), counted(2, "copy", "copies")
    ('1 slice', '1,200 slices', '2 copies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
