"""Where the lesion is known: does the map point to it?"""

from __future__ import annotations

import numpy as np

from pipeline.explanation.share import share_inside


def points_into(values: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether a map's greatest value lies in the mask (the pointing game, Zhang et al., IJCV 2018).

    A map without anything positive points nowhere. Without tolerance: the mask says what counts.

    Args:
        values: float (rows, columns).
        mask: same shape, anything but 0 is inside.
    """
    return bool(values.max() > 0 and mask.ravel()[int(values.argmax())])


def overlap_of_hottest(values: np.ndarray, mask: np.ndarray) -> float | None:
    """Return the intersection over union of a mask and the map's hottest part of the same area.

    With the area given, no threshold has to be chosen, and a map's scale does not matter. None without a
    mask. Where less than that is positive, only the positive part counts.

    >>> overlap_of_hottest(np.array([[3.0, 2.0], [1.0, 0.0]]), np.array([[1, 0], [1, 0]])) == 1 / 3
    True
    """
    area = int(np.count_nonzero(mask))
    if area == 0:
        return None
    hottest = np.zeros(values.size, bool)
    hottest[np.argsort(-values, axis=None, kind="stable")[:area]] = True
    hottest &= values.ravel() > 0
    inside = int(np.count_nonzero(hottest & (mask.ravel() != 0)))
    return inside / (int(np.count_nonzero(hottest)) + area - inside)


def localization(values: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return `pointing` (0 or 1), `heat` inside the mask and `overlap` of one map, each in [0, 1].

    A map without positive heat has none in the lesion.
    """
    return {
        "pointing": float(points_into(values, mask)),
        "heat": share_inside(values, mask) or 0.0,
        "overlap": overlap_of_hottest(values, mask) or 0.0,
    }
