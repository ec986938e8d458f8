"""What the network says of one slice when it is changed: everything that a report card needs of any map.

It costs some 150 forward passes and serves the maps of all classes, of their differences, and of any method.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.explanation.faithfulness import ORDERS, STEPS, deletion_logits, random_orders
from pipeline.explanation.occlusion import Network, Patches, answers, occlude, outputs_of
from pipeline.explanation.stability import perturbed
from pipeline.progress import Progress, no_progress


@dataclass(frozen=True, eq=False)
class Probe:
    """Answers of one network to one slice and its changed copies.

    Attributes:
        patches: the slice, and what its hidden parts show.
        ends: logits (c,) of the whole slice and of the emptied one.
        occluded: (grid, grid, c), logits without each patch.
        random: (orders, steps - 1, c), logits of deletion in orders that know nothing.
        moved: (m, h, w, c), each class's closed-form map (of its logit) on the slightly changed copies.
        seconds: what it took.
    """

    patches: Patches
    ends: tuple[np.ndarray, np.ndarray]
    occluded: np.ndarray
    random: np.ndarray
    moved: np.ndarray
    seconds: float


def occlude_slice(
    network: Network, patches: Patches, *, progress: Progress = no_progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits without each patch, (grid, grid, c), and those of the whole slice, (c,)."""
    (logits,) = answers(network, [patches.image])
    occluded = np.tile(logits, (patches.grid, patches.grid, 1))
    total = int(patches.filled.sum())
    for done, (row, column, found) in enumerate(occlude(network, patches, logits)):
        occluded[row, column] = found
        progress(done + 1, total, "hiding parts of the slice")
    return occluded, logits


def probe_slice(
    network: Network,
    patches: Patches,
    *,
    occluded: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress = no_progress,
) -> Probe:
    """Ask a network about a slice and its changed copies.

    Args:
        network: the model.
        patches: the slice.
        occluded: of `occlude_slice`, where that is known.
        progress: told after each pass; may raise, to stop.
    """
    began = time.perf_counter()
    orders = random_orders(patches, count=ORDERS)
    copies = perturbed(patches.image)
    parts = (int(patches.filled.sum()), ORDERS * (STEPS - 1), len(copies))

    def report(before: int, done: int, message: str) -> None:
        progress(before + done, sum(parts), message)

    without, logits = occluded or occlude_slice(
        network, patches, progress=lambda done, total, message="": report(0, done, message)
    )
    random = []
    for found in deletion_logits(network, patches, orders):
        random.append(found)
        report(parts[0], len(random), "hiding parts in random order")
    moved = list(_class_maps(network, copies))
    report(sum(parts[:2]), len(copies), "moving the slice a little")
    (empty,) = answers(network, [patches.empty])
    return Probe(
        patches=patches,
        ends=(logits, empty),
        occluded=without,
        random=np.array(random).reshape(ORDERS, STEPS - 1, -1),
        moved=np.stack(moved),
        seconds=time.perf_counter() - began,
    )


def _class_maps(network: Network, images: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the closed-form map of every class's logit, (h, w, c), of each image."""
    for outputs in outputs_of(network, images):
        cells = outputs.features.shape[1] * outputs.features.shape[2]
        yield from outputs.features @ network.cam.weights / cells
