"""Compare a lung mask with a known one: overlap, and which of the known lesions it loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HilumError

# A lesion of which less than this share is in the mask counts as lost.
LOST_BELOW = 0.5


class MaskSizeError(HilumError):
    """A known mask has another size than its slice."""


@dataclass(frozen=True, eq=False)
class MaskComparison:
    """How a found mask agrees with a known one; all masks are (rows, columns) of the slice.

    Attributes:
        dice: overlap of found and known lungs in [0, 1]; 1 where both are empty, None where no lung mask is
            known.
        lesion_recall: the share of the known lesions' pixels that is in the found mask, None without any.
        lesions: how many lesions there are (connected parts), and `lost` how many of them are less than half
            in the mask.
        missed: the lesions' pixels outside the found mask, bool; None where no lesion mask is known.
        missed_pixels: how many these are.
    """

    dice: float | None
    lesion_recall: float | None
    lesions: int
    lost: int
    missed: NDArray[np.bool_] | None
    missed_pixels: int


def compare_masks(
    found: NDArray[Any], *, lungs: NDArray[Any] | None = None, lesions: NDArray[Any] | None = None
) -> MaskComparison:
    """Compare a found lung mask with the known lungs and lesions, whatever of them is known.

    Whatever isn't 0 is in a mask. Lesions are counted by their connected parts.

    Raises:
        MaskSizeError: a known mask has another shape than `found`.
    """
    inside = np.asarray(found) > 0
    for name, known in (("lung", lungs), ("lesion", lesions)):
        if known is not None and known.shape != inside.shape:
            raise MaskSizeError(
                f"The {name} mask has {known.shape[1]} x {known.shape[0]} pixels and its slice "
                f"{inside.shape[1]} x {inside.shape[0]}: a mask has its slice's size."
            )
    dice = _dice(inside, np.asarray(lungs) > 0) if lungs is not None else None
    if lesions is None:
        return MaskComparison(dice, None, 0, 0, None, 0)
    known_lesions = np.asarray(lesions) > 0
    missed = known_lesions & ~inside
    total, missing = int(known_lesions.sum()), int(missed.sum())
    count, lost = _count_lost(known_lesions, inside)
    recall = 1 - missing / total if total else None
    return MaskComparison(dice, recall, count, lost, missed, missing)


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    together = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / together if together else 1.0


def _count_lost(lesions: NDArray[np.bool_], inside: NDArray[np.bool_]) -> tuple[int, int]:
    count, labels = cv2.connectedComponents(lesions.astype(np.uint8), connectivity=8)
    sizes = np.bincount(labels.ravel(), minlength=count)[1:]
    kept = np.bincount(labels[inside], minlength=count)[1:]
    return count - 1, int(np.count_nonzero(kept < LOST_BELOW * sizes))
