"""Dealing groups to parts so that every part looks alike: the arithmetic below `splits.py`.

Like scikit-learn's StratifiedGroupKFold this deals the most telling group first to the part that needs it
most; unlike it, parts have shares of their own, groups count beside slices, and moves and swaps then mend
what the greedy order spoiled. With ten patients that is the difference between a usable test part and none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SWAP_LIMIT = 400  # groups: beyond this many, single moves even out everything
_ROUNDS = 200
_GAIN = 1e-9


def allocate_groups(
    counts: NDArray[np.int64], *, shares: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Deal groups to parts.

    Args:
        counts: (groups, classes) slices of each class in each group.
        shares: (parts,) wanted share of each part, summing to 1.
        seed: the order among equals.

    Returns:
        (groups,) the part of each group. Classes with fewer groups than parts go to the greatest shares
        first.
    """
    weights = _weights(counts)
    order = _dealing_order(weights, seed)
    parts = np.full(len(counts), -1, np.int64)
    filled = np.zeros((len(shares), weights.shape[1]))
    for group in order:
        cost = _part_cost(filled + weights[group], shares) - _part_cost(filled, shares)
        parts[group] = int(np.argmin(cost))
        filled[parts[group]] += weights[group]
    return _improve(parts, weights, shares)


def _weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each group's share of each class, once by slices and once by groups, (groups, 2 * classes)."""
    has = (counts > 0).astype(np.float64)
    slices = counts / np.maximum(counts.sum(axis=0), 1)
    groups = has / np.maximum(has.sum(axis=0), 1)
    return np.concatenate([slices, groups], axis=1)


def _dealing_order(weights: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Return the groups, those that weigh most in any class first, shuffled among equals."""
    shuffled = np.random.default_rng(seed).permutation(len(weights))
    return shuffled[np.argsort(-weights[shuffled].max(axis=1), kind="stable")]


def _part_cost(filled: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each row of `filled` is from its share, over all classes, in units of that share."""
    cost: NDArray[np.float64] = (((filled - shares[:, None]) ** 2) / shares[:, None]).sum(axis=1)
    return cost


def _improve(
    parts: NDArray[np.int64], weights: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Move and swap groups between parts as long as that brings the parts nearer to their shares."""
    parts = parts.copy()
    filled = np.stack([weights[parts == part].sum(axis=0) for part in range(len(shares))])
    for _ in range(_ROUNDS):
        if not (_best_move(parts, filled, weights, shares) or _best_swap(parts, filled, weights, shares)):
            break
    return parts


def _best_move(
    parts: NDArray[np.int64],
    filled: NDArray[np.float64],
    weights: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> bool:
    """Make the one move that helps most; return whether there was one."""
    now = _part_cost(filled, shares)
    leaving = _part_cost(filled[parts] - weights, shares[parts]) - now[parts]
    gains = np.stack(
        [
            now[part] - _part_cost(filled[part] + weights, np.full(len(parts), shares[part])) - leaving
            for part in range(len(shares))
        ],
        axis=1,
    )
    gains[np.arange(len(parts)), parts] = 0.0
    group, part = divmod(int(np.argmax(gains)), len(shares))
    if gains[group, part] <= _GAIN:
        return False
    filled[parts[group]] -= weights[group]
    filled[part] += weights[group]
    parts[group] = part
    return True


def _best_swap(
    parts: NDArray[np.int64],
    filled: NDArray[np.float64],
    weights: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> bool:
    """Make the one exchange of two groups that helps most; return whether there was one."""
    if len(parts) > _SWAP_LIMIT:
        return False
    now = _part_cost(filled, shares)
    best, pair = _GAIN, (-1, -1)
    for group in range(len(parts)):
        others = np.flatnonzero(parts > parts[group])
        if not len(others):
            continue
        change = weights[others] - weights[group]
        own = _part_cost(filled[parts[group]] + change, np.full(len(others), shares[parts[group]]))
        theirs = _part_cost(filled[parts[others]] - change, shares[parts[others]])
        gains = now[parts[group]] + now[parts[others]] - own - theirs
        if gains.max() > best:
            best, pair = float(gains.max()), (group, int(others[np.argmax(gains)]))
    one, other = pair
    if one < 0:
        return False
    change = weights[other] - weights[one]
    filled[parts[one]] += change
    filled[parts[other]] -= change
    parts[one], parts[other] = parts[other], parts[one]
    return True
