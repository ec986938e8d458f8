"""A figure with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `reason` says why one of them is missing."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return `{"value", "low", "high"}`, null where not known, with `reason` where there is one."""
        fields: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high}
        return fields | ({"reason": self.reason} if self.reason else {})


def unknown(reason: str) -> Estimate:
    """Make the estimate of something that cannot be computed.

    >>> unknown("no slice of class positive").to_json()
    {'value': None, 'low': None, 'high': None, 'reason': 'no slice of class positive'}
    """
    return Estimate(None, reason=reason)


def finite(value: float) -> float | None:
    """Return `value`, or None where it is not a finite number."""
    return float(value) if math.isfinite(value) else None
