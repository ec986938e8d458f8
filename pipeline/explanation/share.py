"""How much of a map lies where it could mean something."""

from __future__ import annotations

import numpy as np


def share_inside(heatmap: np.ndarray, mask: np.ndarray) -> float | None:
    """Return the share of a map's positive heat that lies inside a mask; None where there is no such heat.

    Args:
        heatmap: float (rows, columns), signed or not.
        mask: same shape, anything but 0 is inside.

    >>> share_inside(np.array([[3.0, 1.0], [-9.0, 0.0]]), np.array([[1, 0], [1, 0]]))
    0.75
    """
    positive = np.maximum(heatmap, 0)
    total = float(positive.sum(dtype=np.float64))
    return float(positive[mask != 0].sum(dtype=np.float64)) / total if total > 0 else None
