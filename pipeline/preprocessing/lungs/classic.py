"""The classic steps of the Kaggle and LUNA16 kernels, kept true so that newer ways can be measured against
them.

Dark pixels that don't touch the picture's edge, the largest parts of them, erosion, closing, edges, and
what the edges enclose. Consolidation that touches the pleura is lost: it is as bright as the chest wall.
"""

from __future__ import annotations

from pipeline.preprocessing.edges import detect_edges
from pipeline.preprocessing.lungs.isolation import Isolation
from pipeline.preprocessing.morphology import Binary, clear_border, close, erode, fill_holes, keep_largest
from pipeline.preprocessing.parameters import Edges, Lungs


def isolate(dark: Binary, lungs: Lungs, edges: Edges) -> Isolation:
    """Return the lungs among the `dark` pixels of a slice (rows, columns), uint8 with 0 and 255.

    The erosion comes before the choice of the largest parts where it has to cut them apart, so the parts are
    chosen after it; on clean slices both orders give the same lungs.
    """
    inner = clear_border(dark) if lungs.clear_border else dark
    eroded = keep_largest(erode(inner, radius=lungs.erosion_radius, kernel=lungs.kernel), count=lungs.keep)
    closed = close(eroded, radius=lungs.closing_radius, kernel=lungs.kernel)
    lines = detect_edges(closed, edges)
    outlined = ((lines > 0) * 255).astype("uint8") | closed
    return Isolation(eroded, closed, fill_holes(outlined) if lungs.fill_holes else closed, lines)
