"""What speaks for or against a mask beyond its verdict: known masks, and what it left out that is dense."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dashboard.loaders.preprocess import Evidence
from dashboard.viewer import GreyLayer, MaskLayer, Outline, Panel
from pipeline.preprocessing.apply import Preprocessed, outline_polygons

FOUND, DOUBTED = "#35c2a5", "#f2777a"  # outlines of masks that are believed, and that are not
KNOWN, MISSED, SUSPECT = "#6ea8fe", "#ff3b3b", "#ffb020"


def mask_panel(done: Preprocessed, evidence: Evidence, *, title: str, caption: str = "") -> Panel:
    """Return the slice with the found mask, the known lungs, and what the mask lost or may have lost."""
    color = FOUND if done.verdict.plausible else DOUBTED
    layers: list[GreyLayer | MaskLayer] = [
        GreyLayer(done.stages["grey"]),
        MaskLayer(done.mask_on_stages(), name="lungs", color=color, opacity=0.22),
    ]
    outlines = [Outline(done.outlines(), name="lungs", color=color)]
    known = evidence.masks.lungs
    if known is not None and evidence.comparison is not None and evidence.comparison.dice is not None:
        outlines.append(
            Outline(outline_polygons(_on_stages(known, done)), name="known", color=KNOWN, width=1)
        )
    lost = evidence.lost
    if lost is not None and lost.any():
        name, color = ("missed lesion", MISSED) if evidence.lesions_known else ("left out?", SUSPECT)
        region = _on_stages(lost, done)
        layers.append(MaskLayer(region, name=name, color=color, opacity=0.6))
        outlines.append(Outline(outline_polygons(region), name=name, color=color, width=2))
    return Panel(layers, title=title, caption=caption, outlines=outlines)


def evidence_words(evidence: Evidence, *, doubted: bool = False) -> tuple[str, bool]:
    """Return what is known or suspected of a mask in a sentence, and whether it speaks against the mask.

    Args:
        doubted: whether its verdict suspects that lung is missing: then what is not seen says little.
    """
    problem = f" {evidence.problem}" if evidence.problem else ""
    comparison = evidence.comparison
    parts = []
    against = False
    if comparison is not None and comparison.dice is not None:
        parts.append(f"Dice with the known lungs {comparison.dice:.3f}.")
    if comparison is not None and comparison.lesion_recall is not None:
        against = comparison.lost > 0
        parts.append(f"Lesion recall {comparison.lesion_recall:.2f}; {_lost_words(evidence)}")
    elif comparison is not None and evidence.lesions_known:
        parts.append("No lesion is known here.")
    if not evidence.lesions_known and evidence.suspicion is not None:
        if evidence.suspicion.regions > 0:
            against = True
            parts.append(f"Suspicion: {_suspect_words(evidence)} Look at it; it may be normal.")
        else:
            parts.append(
                "What is missing may be far from the mask: no dense region is seen right beside it."
                if doubted
                else "Nothing beside the mask looks like lesion left out."
            )
    return " ".join(parts) + problem, against


def _lost_words(evidence: Evidence) -> str:
    comparison = evidence.comparison
    if comparison is None or not comparison.missed_pixels:
        return "nothing of it is lost."
    of = f"{comparison.lost} of {comparison.lesions} lesions" if comparison.lost else "none of the lesions"
    return f"{of} lost by half or more, {_area(comparison.missed_pixels, evidence.spacing)} outside (red)."


def _suspect_words(evidence: Evidence) -> str:
    suspicion = evidence.suspicion
    if suspicion is None:
        return ""
    many = "1 dense region" if suspicion.regions == 1 else f"{suspicion.regions} dense regions"
    return f"{many} of {_area(suspicion.pixels, evidence.spacing)} left out beside the lung (orange)."


def _area(pixels: int, spacing: float | None) -> str:
    return f"{pixels:,} pixels" if spacing is None else f"{pixels * spacing**2 / 100:.1f} cm²"


def _on_stages(mask: NDArray[np.generic], done: Preprocessed) -> NDArray[np.uint8]:
    side = done.stages["grey"].shape[0]
    binary = (np.asarray(mask) > 0).astype(np.uint8) * 255
    return cv2.warpAffine(binary, done.stage_matrix, (side, side), flags=cv2.INTER_NEAREST)
