"""Does the map rank the slice's parts as the network does? Deletion and insertion against chance.

Deletion hides the patches that the map ranks highest first; a map that knows what the network uses makes the
margin fall fast. Insertion shows them first in the emptied slice; the margin must rise fast (RISE, Petsiuk et
al., BMVC 2018). The area under each curve is set beside those of orders that know nothing: a map that does
not beat them says nothing about this network and this slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.explanation.occlusion import Network, Patches, answers

STEPS = 8  # shares of the patches, from none to all
ORDERS = 12  # orders that know nothing: one of 13 would beat them all by chance alone


@dataclass(frozen=True, eq=False)
class Curve:
    """How the margin goes as patches are hidden or shown, beside the orders that know nothing.

    Attributes:
        margins: (steps + 1,), in the map's order.
        random: (orders, steps + 1).
    """

    margins: np.ndarray
    random: np.ndarray

    @property
    def area(self) -> float:
        """The mean margin along the curve, in logits."""
        return float(_area(self.margins))

    @property
    def random_areas(self) -> np.ndarray:
        """The same of each order that knows nothing, (orders,)."""
        return np.asarray(_area(self.random))


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Deletion and insertion of one map."""

    deletion: Curve
    insertion: Curve

    @property
    def beaten_by_deletion(self) -> int:
        """How many random orders let the margin fall more slowly."""
        return int((self.deletion.random_areas > self.deletion.area).sum())

    @property
    def beaten_by_insertion(self) -> int:
        """How many random orders let the margin rise more slowly."""
        return int((self.insertion.random_areas < self.insertion.area).sum())

    @property
    def drop(self) -> float:
        """What the margin loses when everything is hidden."""
        return float(self.deletion.margins[0] - self.deletion.margins[-1])

    @property
    def orders(self) -> int:
        """How many random orders there were."""
        return len(self.deletion.random)


def random_orders(patches: Patches, *, count: int = ORDERS, seed: int = 0) -> np.ndarray:
    """Return the filled patches in random orders, int (count, n) of places in the flat grid."""
    filled = np.flatnonzero(patches.filled)
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(filled) for _ in range(count)], int).reshape(count, len(filled))


def map_order(patches: Patches, ranked: np.ndarray) -> np.ndarray:
    """Return the filled patches by a map's values (grid, grid), the greatest first."""
    filled = np.flatnonzero(patches.filled)
    return filled[np.argsort(-ranked.ravel()[filled], kind="stable")]


def hidden_steps(patches: Patches, order: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the slice without the first 1/8, 2/8 ... 7/8 of an order's patches."""
    for count in _counts(len(order))[1:-1]:
        yield patches.hide(_which(patches.grid, order[:count]))


def deletion_logits(network: Network, patches: Patches, orders: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the logits along each step of each order, orders x (steps - 1) of (c,)."""
    return answers(network, (image for order in orders for image in hidden_steps(patches, order)))


def measure_faithfulness(
    network: Network,
    patches: Patches,
    ranked: np.ndarray,
    *,
    ends: tuple[np.ndarray, np.ndarray],
    random: np.ndarray,
    contrast: np.ndarray,
) -> Faithfulness:
    """Delete and insert in a map's order.

    Args:
        network: the model.
        patches: the slice.
        ranked: (grid, grid), the map's value of each patch.
        ends: logits (c,) of the whole and of the emptied slice.
        random: (orders, steps - 1, c), logits of deletion in orders that know nothing.
        contrast: (c,), of `margin_contrast`.
    """
    order = map_order(patches, ranked)
    # Showing the first patches of an order is hiding the last: insertion is the deletion of the order turned
    # round, read from its end. An order that knows nothing is as good turned round.
    both = np.array(list(deletion_logits(network, patches, np.stack([order, order[::-1]]))))
    whole, empty = (float(end @ contrast) for end in ends)
    deletion, turned = (both @ contrast).reshape(2, -1)
    chance = _with_ends(random @ contrast, whole, empty)
    return Faithfulness(
        deletion=Curve(_with_ends(deletion[None], whole, empty)[0], chance),
        insertion=Curve(_with_ends(turned[None], whole, empty)[0, ::-1], chance[:, ::-1]),
    )


def _with_ends(inner: np.ndarray, whole: float, empty: float) -> np.ndarray:
    return np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (whole, empty)))


def _area(margins: np.ndarray) -> np.ndarray:
    """Return the area under curves (..., steps + 1) over [0, 1], by trapezoids."""
    area: np.ndarray = ((margins[..., 1:] + margins[..., :-1]) / 2).mean(axis=-1)
    return area


def _counts(patches: int) -> np.ndarray:
    return np.linspace(0, patches, STEPS + 1).round().astype(int)


def _which(grid: int, places: np.ndarray) -> np.ndarray:
    which = np.zeros(grid * grid, bool)
    which[places] = True
    return which.reshape(grid, grid)
