"""What a way of isolating lungs hands back."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.preprocessing.morphology import Binary


@dataclass(frozen=True, eq=False)
class Isolation:
    """The pictures on the way to a lung mask, all (size, size) uint8 with 0 and 255.

    `edges` is the edge picture where the way itself needs one (classic), else None.
    """

    eroded: Binary
    closed: Binary
    mask: Binary
    edges: Binary | None = None
