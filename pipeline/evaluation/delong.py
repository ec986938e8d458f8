"""DeLong's variance of AUCs and test of their difference, by ranks.

DeLong et al., Biometrics 1988, 44:837; the fast form is by Sun and Xu, IEEE Signal Processing Letters 2014.

It takes every row as independent. Slices of one patient are not, so Hilum's intervals come from resampling
patients; DeLong stands beside them, and is exact where each patient gives one row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class DeLong:
    """AUCs of m scores on the same rows, (m,), and their (m, m) covariance."""

    aucs: np.ndarray
    covariance: np.ndarray

    def interval(self, index: int = 0, *, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval of one AUC, kept within [0, 1]."""
        half = stats.norm.ppf(0.5 + level / 2) * math.sqrt(self.covariance[index, index])
        return max(0.0, float(self.aucs[index] - half)), min(1.0, float(self.aucs[index] + half))

    def compare(self, first: int = 0, second: int = 1) -> tuple[float, float]:
        """Return Z and the two-sided p of the difference of two AUCs; Z is 0 where they agree everywhere."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        difference = float(self.aucs[first] - self.aucs[second])
        z = difference / math.sqrt(variance) if variance > 1e-15 else 0.0
        return z, float(2 * stats.norm.sf(abs(z)))


def delong(positive: np.ndarray, *scores: np.ndarray) -> DeLong:
    """Return AUCs and their covariance of one score or more on the same rows.

    Args:
        positive: (n,) boolean, at least two rows of each kind.
        scores: each (n,), higher meaning more positive.

    Raises:
        ValueError: fewer than two rows of a kind.
    """
    table = np.stack([np.asarray(score, float) for score in scores])
    with_it, without = table[:, positive], table[:, ~positive]
    m, n = with_it.shape[1], without.shape[1]
    if m < 2 or n < 2:
        raise ValueError(f"DeLong's variance needs two rows of each kind; there are {m} and {n}.")
    everywhere = stats.rankdata(np.concatenate([with_it, without], axis=1), axis=1)
    # Share of the other kind that each row beats: its structural component (eq. 5 of Sun and Xu).
    beaten = (everywhere[:, :m] - stats.rankdata(with_it, axis=1)) / n
    unbeaten = 1 - (everywhere[:, m:] - stats.rankdata(without, axis=1)) / m
    covariance = np.atleast_2d(np.cov(beaten)) / m + np.atleast_2d(np.cov(unbeaten)) / n
    return DeLong(beaten.mean(axis=1), covariance)


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> tuple[int, int, float]:
    """Return McNemar's discordant counts (only first right, only second right) and the exact two-sided p.

    Like DeLong, it takes every row as independent.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    discordant = only_first + only_second
    p = stats.binomtest(only_first, discordant).pvalue if discordant else 1.0
    return only_first, only_second, float(p)
