"""Dealing groups to parts so that every part looks alike: the arithmetic below `splits.py`.

Like scikit-learn's StratifiedGroupKFold this deals the weightiest group first to the part that needs it most.
Unlike it, parts have shares of their own, groups count beside slices, a class that has groups enough is in
every part, and moves and swaps mend what the greedy order spoiled: with ten patients that is the difference
between a usable test part and none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_SWAP_LIMIT = 400  # groups: beyond this many, single moves even out everything
_ROUNDS = 200
_MANY = 10_000  # groups: beyond this many, those alike are dealt at once, and nothing is left to mend
_ABSENCE = 10.0  # what a class absent from a part costs, beyond any unevenness
_EMPTY = 1000.0  # what a part without any group costs
_EPSILON = 1e-9


def allocate_groups(
    counts: NDArray[np.int64], *, shares: NDArray[np.float64], needs: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Deal groups to parts.

    Args:
        counts: (groups, classes) slices of each class in each group.
        shares: (parts,) wanted share of each part, summing to 1.
        needs: (parts,) how much each part needs every class; of few groups the neediest gets one first.
        seed: the order among equals.

    Returns:
        (groups,) the part of each group.
    """
    weights = _weights(counts)
    wanted = np.stack([shares, needs], axis=1)
    if len(counts) > _MANY:
        return _deal_alike(counts, weights, wanted, seed)
    parts = np.full(len(counts), -1, np.int64)
    filled = np.zeros((len(shares), weights.shape[1]))
    for group in _dealing_order(weights, seed):
        cost = _cost(filled + weights[group], wanted) - _cost(filled, wanted)
        parts[group] = int(np.argmin(cost))
        filled[parts[group]] += weights[group]
    for _ in range(_ROUNDS):
        if not (_best_move(parts, filled, weights, wanted) or _best_swap(parts, filled, weights, wanted)):
            break
    return parts


def _deal_alike(
    counts: NDArray[np.int64], weights: NDArray[np.float64], wanted: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Deal many groups, each kind at once as if one by one: each further one costs a part evenly more."""
    kind_of = np.zeros(len(counts), np.int64)
    for column in counts.T:
        kind_of, _ = pd.factorize(kind_of * (int(column.max()) + 1) + column)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    by_kind = shuffled[np.argsort(kind_of[shuffled], kind="stable")]
    members = np.split(by_kind, np.cumsum(np.bincount(kind_of))[:-1])
    heaviest = sorted(members, key=lambda groups: (-weights[groups[0]].max(), -len(groups)))
    parts = np.empty(len(counts), np.int64)
    filled = np.zeros((len(wanted), weights.shape[1]))
    shares = wanted[:, :1]
    for groups in heaviest:
        weight = weights[groups[0]]
        first = _cost(filled + weight, wanted) - _cost(filled, wanted)
        even = (weight * (2 * (filled - shares) + weight) / shares).sum(axis=1)
        slope = (2 * weight**2 / shares).sum(axis=1)
        costs = even[:, None] + slope[:, None] * np.arange(len(groups))
        costs[:, 0] = first  # the first one may also end an absence
        cheapest = np.argsort(costs.ravel(), kind="stable")[: len(groups)]
        parts[groups] = np.sort(cheapest, kind="stable") // len(groups)
        filled += np.bincount(parts[groups], minlength=len(wanted))[:, None] * weight
    return parts


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


def _cost(filled: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how bad each part is, (parts,).

    Args:
        filled: (parts, 2 * classes) what each part holds, as `_weights` counts it.
        wanted: (parts, 2) the share and the need of each.
    """
    shares, needs = wanted[:, :1], wanted[:, 1]
    uneven: NDArray[np.float64] = ((filled - shares) ** 2 / shares).sum(axis=1)
    absent = filled[:, filled.shape[1] // 2 :] < _EPSILON
    return uneven + _ABSENCE * needs * absent.sum(axis=1) + _EMPTY * absent.all(axis=1)


def _best_move(
    parts: NDArray[np.int64],
    filled: NDArray[np.float64],
    weights: NDArray[np.float64],
    wanted: NDArray[np.float64],
) -> bool:
    """Make the one move of a group that helps most; return whether there was one."""
    now = _cost(filled, wanted)
    leaving = _cost(filled[parts] - weights, wanted[parts]) - now[parts]
    arriving = [
        _cost(filled[part] + weights, np.tile(wanted[part], (len(parts), 1))) - now[part]
        for part in range(len(wanted))
    ]
    gains = -(np.stack(arriving, axis=1) + leaving[:, None])
    gains[np.arange(len(parts)), parts] = 0.0
    group, part = divmod(int(np.argmax(gains)), len(wanted))
    if gains[group, part] <= _EPSILON:
        return False
    filled[parts[group]] -= weights[group]
    filled[part] += weights[group]
    parts[group] = part
    return True


def _best_swap(
    parts: NDArray[np.int64],
    filled: NDArray[np.float64],
    weights: NDArray[np.float64],
    wanted: NDArray[np.float64],
) -> bool:
    """Make the one exchange of two groups that helps most; return whether there was one."""
    if len(parts) > _SWAP_LIMIT:
        return False
    now = _cost(filled, wanted)
    best, pair = _EPSILON, None
    for group, part in enumerate(parts):
        others = np.flatnonzero(parts > part)
        if not len(others):
            continue
        change = weights[others] - weights[group]
        own = _cost(filled[part] + change, np.tile(wanted[part], (len(others), 1)))
        theirs = _cost(filled[parts[others]] - change, wanted[parts[others]])
        gains = now[part] + now[parts[others]] - own - theirs
        if gains.max() > best:
            best, pair = float(gains.max()), (group, int(others[np.argmax(gains)]))
    if pair is None:
        return False
    one, other = pair
    change = weights[other] - weights[one]
    filled[parts[one]] += change
    filled[parts[other]] -= change
    parts[one], parts[other] = parts[other], parts[one]
    return True
