"""A network whose evidence is known: a class counts what is bright in each cell, weighted by the cell."""

from __future__ import annotations

import numpy as np

from pipeline.explanation.closed_form import CamWeights
from pipeline.explanation.occlusion import Patches
from pipeline.inference.engine import Outputs

SIZE, CELLS, GAIN = 64, 8, 10.0


class ToyNetwork:
    """Logit 0 is GAIN times the mean brightness of the cells times `weights`; logits 1 and 2 stay 0.

    `works` False makes a network that answers without looking.
    """

    def __init__(self, weights: np.ndarray | None = None, *, works: bool = True) -> None:
        self.weights = np.ones((CELLS, CELLS)) if weights is None else weights
        self.works = works
        self.cam = CamWeights(np.array([[GAIN, 0.0, 0.0]], np.float32), np.zeros(3, np.float32))
        self.asked = 0

    def run(self, batch: np.ndarray) -> Outputs:
        """Answer a batch; see `pipeline.explanation.occlusion.Network`."""
        self.asked += len(batch)
        side = batch.shape[1] // CELLS
        bright = batch[..., 0].reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4)) / 255
        features = (bright * self.weights * (1.0 if self.works else 0.0))[..., None].astype(np.float32)
        logits = features.mean(axis=(1, 2)) @ self.cam.weights
        return Outputs(logits, logits, features)


def spotted(*, seed: int = 0) -> Patches:
    """A slice of cells of different brightness, whose emptied copy is black."""
    cells = np.random.default_rng(seed).uniform(20, 255, (CELLS, CELLS)).astype(np.float32)
    image = np.kron(cells, np.ones((SIZE // CELLS, SIZE // CELLS), np.float32))[..., None]
    return Patches(image, np.zeros_like(image), CELLS)


def toy_map(network: ToyNetwork, patches: Patches) -> np.ndarray:
    """The exact map of class 0 over the others, (CELLS, CELLS)."""
    values: np.ndarray = network.run(patches.image[None]).features[0, ..., 0] * GAIN / CELLS**2
    return values
