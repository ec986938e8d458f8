"""The convex hull of each lung, within the body: the classic cure for consolidation at the pleura.

It keeps all that a lung's outer border has lost, at the price of what lies in the hollow of the inner one:
heart, hilum, a dome of the diaphragm.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.preprocessing.morphology import Binary


def fill_hulls(mask: Binary, body: Binary) -> Binary:
    """Return the hulls of a mask's parts, less what lies outside `body`, plus the mask itself.

    Both are (rows, columns) uint8 with 0 and 255. Each part has a hull of its own, so two lungs stay two.
    """
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls = np.zeros_like(mask)
    for outline in outlines:
        cv2.fillConvexPoly(hulls, cv2.convexHull(outline), 255)
    return cv2.bitwise_or(cv2.bitwise_and(hulls, body), mask)
