"""What a recipe made of a slice."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.preprocessing.lungs.verdict import MaskVerdict
from pipeline.preprocessing.outlines import outline_polygons


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What a recipe made of a slice.

    Attributes:
        stages: pictures in order, uint8: grey, local-threshold, erosion, closing, edges (the recipe's size,
            never cropped), lung-mask (the slice's own size), network-input (= `output`).
        output: what the network sees, uint8 (size, size) or (size, size, 3).
        lung_mask: the believed mask, (rows, columns) of the slice, 0 and 255; empty where none is believed.
        found_mask: the same before the verdict.
        matrix: affine map (2, 3) from a slice's (column, row) to the output's, a crop included.
        stage_matrix: the same to the other stages, which show the whole slice.
        level: the threshold in the slice's own unit (HU or grey levels), None for local thresholds.
        milliseconds: by step: grey, local-threshold, isolation (erosion, closing and mask), edges, verdict,
            network-input.
    """

    stages: dict[str, NDArray[np.uint8]]
    output: NDArray[np.uint8]
    lung_mask: NDArray[np.uint8]
    found_mask: NDArray[np.uint8]
    verdict: MaskVerdict
    matrix: NDArray[np.float64]
    stage_matrix: NDArray[np.float64]
    level: float | None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_cropped(self) -> bool:
        """Whether the output shows a part of the slice only."""
        return not np.array_equal(self.matrix, self.stage_matrix)

    def outlines(self) -> list[NDArray[np.float64]]:
        """Return the found mask's outlines on the stages: closed curves (n, 2) of (column, row)."""
        to_stage = self.stage_matrix
        return [points @ to_stage[:, :2].T + to_stage[:, 2] for points in outline_polygons(self.found_mask)]

    def mask_on_stages(self) -> NDArray[np.uint8]:
        """Return the found mask where the stages have it, uint8 (size, size), 0 and 255."""
        return self._mask_through(self.stage_matrix)

    def mask_on_output(self) -> NDArray[np.uint8]:
        """Return the found mask where the output has it, uint8 (size, size), 0 and 255."""
        return self._mask_through(self.matrix)

    def _mask_through(self, matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
        side = self.output.shape[0]
        return cv2.warpAffine(self.found_mask, matrix, (side, side), flags=cv2.INTER_NEAREST)
