"""Which side of the body lies at which edge of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# The patient's axes as DICOM and ITK count them: to the left, to the back, to the head (PS3.3 C.7.6.2.1.1).
_TOWARDS = ("L", "P", "H")
_AWAY = ("R", "A", "F")
_TILTED = 0.34  # of a direction's length along a further axis: 20 degrees, from where it is named too

EdgeMarks = tuple[str, str, str, str]


def edge_marks(orientation: Sequence[float]) -> EdgeMarks | None:
    """Return the sides of the body at the left, right, top and bottom edge, None where they are not known.

    A tilted picture has two letters an edge, the nearer one first.

    Args:
        orientation: six direction cosines in the patient's axes (left, back, head): first along a row, from
            left to right, then along a column, from top to bottom (DICOM's ImageOrientationPatient).

    >>> edge_marks([1, 0, 0, 0, 1, 0])
    ('R', 'L', 'A', 'P')
    """
    values = np.asarray(orientation, float)
    if values.shape != (6,) or not np.isfinite(values).all():
        return None
    row, column = values[:3], values[3:]
    if min(np.linalg.norm(row), np.linalg.norm(column)) < 0.5:
        return None
    return _letters(-row), _letters(row), _letters(-column), _letters(column)


def _letters(direction: np.ndarray) -> str:
    unit = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(unit), kind="stable")
    named = [axis for axis in order if abs(unit[axis]) > _TILTED] or [order[0]]
    return "".join(_TOWARDS[axis] if unit[axis] > 0 else _AWAY[axis] for axis in named)
