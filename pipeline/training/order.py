"""Which slice stands where in an epoch: a function of (seed, epoch), so a resumed run goes on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_STREAM = 0x0DE


def epoch_order(labels: np.ndarray, *, balance: str, seed: int, epoch: int) -> np.ndarray:
    """Return the slices of one epoch in order, as positions in `labels`.

    With `balance="augment"` every class has as many places as the largest: each slice of a smaller class
    comes as often as goes evenly, and the rest is drawn anew each epoch. Otherwise each slice comes once.

    Args:
        labels: int (n,), class of each training slice.

    Returns:
        int64 (m,), m >= n.

    >>> sorted(epoch_order(np.array([0, 0, 0, 1]), balance="augment", seed=0, epoch=0).tolist())
    [0, 1, 2, 3, 3, 3]
    """
    rng = np.random.default_rng([seed, epoch, _STREAM])
    places = np.arange(len(labels))
    if balance == "augment":
        classes, counts = np.unique(labels, return_counts=True)
        filled = [_fill(np.flatnonzero(labels == label), int(counts.max()), rng) for label in classes]
        places = np.concatenate(filled)
    return rng.permutation(places)


def epoch_length(labels: np.ndarray, *, balance: str) -> int:
    """Return how many places an epoch has."""
    counts = np.unique(labels, return_counts=True)[1]
    return int(counts.max() * len(counts)) if balance == "augment" else len(labels)


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the loss's weight for each class, inverse to its share and 1 on average over the slices.

    Args:
        labels: int (n,); every class occurs.

    Returns:
        float32 (num_classes,).

    >>> class_weights(np.array([0, 0, 1, 0]), 2).round(2).astype(str).tolist()
    ['0.67', '2.0']
    """
    counts = np.bincount(labels, minlength=num_classes)
    return (len(labels) / (num_classes * counts)).astype(np.float32)


def balance_effect(counts: Mapping[str, int], *, balance: str) -> str:
    """Say what a balance does to the model's probabilities.

    A network learns the shares of its training batches. Where those were evened out, each class's odds are
    off by the ratio of even to true odds (Elkan 2001, theorem 2; Saerens 2002).

    Args:
        counts: training slices by label.

    >>> balance_effect({"positive": 100, "negative": 300}, balance="none")[:35]
    'Classes come as often as they are: '
    """
    if balance == "none":
        return (
            "Classes come as often as they are: probabilities hold where classes have the shares of the "
            "training part."
        )
    present = {label: count for label, count in counts.items() if count}
    how = (
        "comes as often as the largest, in other augmented copies"
        if balance == "augment"
        else ("weighs as much as the largest")
    )
    text = f"Each class {how}, in the training part only. "
    if len(present) < 2 or len(set(present.values())) == 1:
        return text + "They are equally large here, so probabilities stay as they are."
    smallest = min(present, key=lambda label: present[label])
    share = present[smallest] / sum(present.values())
    ratio = (1 - share) / share / (len(present) - 1)
    return (
        f"{text}The model then expects {1 / len(present):.0%} of each: the odds that it gives {smallest} "
        f"({share:.1%} of the training slices) are about {ratio:.1f} times too high where classes have their "
        "own shares. The order of slices, and so the AUC, is not touched; an operating point chosen on the "
        "calibration part allows for it, a temperature alone does not."
    )


def _fill(members: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    whole, rest = divmod(count, len(members))
    return np.concatenate([np.tile(members, whole), rng.choice(members, rest, replace=False)])
