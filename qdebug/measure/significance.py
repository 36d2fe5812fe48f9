"""Tests of "nothing changed", and their correction where many are made at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtr, stdtrit

from qdebug.measure.intervals import ratio

LEVEL = 0.05
"""The probability, over all rows together, that chance makes one look changed."""

_SLACK = 1 + 1e-12


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p of as many right answers before as after, given how many changed (McNemar 1947, the exact test).

    Args:
        gained: samples that only the second model has right.
        lost: samples that only the first has right.
    """
    return min(1.0, 2.0 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def attainable(changed: int) -> NDArray[np.float64]:
    """Every p that :func:`mcnemar` can give for so many samples that changed, rising; the last is 1."""
    below = 2.0 * np.asarray(bdtr(np.arange((changed + 1) // 2), changed, 0.5), dtype=np.float64).reshape(-1)
    return np.append(below[below < 1.0 - 1e-9], 1.0)


def paired_ratio(change: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Two-sided p of no change, for a ratio of sums over independent samples: Student's t of :func:`~.ratio`.

    It is at least 2^(1−n), what the sign test gives where all n samples went one way: few samples that happen to agree
    prove no more. 1 for one sample.
    """
    n = len(change)
    if n < 2 or not np.any(change):
        return 1.0
    value, half = ratio(change, weight)
    error = half / float(stdtrit(n - 1, 0.975))
    found = 2.0 * float(stdtr(n - 1, -abs(value) / error)) if error > 0 else 0.0
    return float(min(1.0, max(found, 2.0 ** (1 - n))))


def holm(p: Sequence[float], levels: Sequence[NDArray[np.float64] | None] | None = None) -> NDArray[np.float64]:
    """The p of many tests, adjusted: rejecting what is at most α is wrong anywhere with probability at most α.

    Holm (1979, Scand. J. Stat. 6:65), step by step from the smallest. Where a test can give but few values of p, it
    counts with the probability of what it can give instead of with p itself (Tarone 1990, Biometrics 46:515; Westfall &
    Wolfinger 1997, Am. Stat. 51:3): a class of which two samples changed cannot come out below 0.5, and takes nothing
    away from the others. Nothing is assumed of how the tests depend on each other.

    Args:
        p: of each test.
        levels: for each test the values that its p can have, rising; None for any.

    Returns:
        The adjusted p, in the order given.
    """
    raw = np.asarray(p, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    rising = raw[order]
    sizes = np.tile(rising, (len(raw), 1))
    for place, test in enumerate(order):
        steps = levels[test] if levels else None
        if steps is not None:
            reached = np.searchsorted(steps, rising * _SLACK, side="right")
            sizes[place] = np.concatenate([[0.0], steps])[reached]
    remaining = np.triu(np.ones_like(sizes).T)  # at step k the tests from the k-th on are still there
    total = (sizes.T * remaining).sum(1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(total))
    return adjusted
