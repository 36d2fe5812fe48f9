"""k-means in one dimension, solved exactly: the best partition of sorted places into runs.

One plain loop, which numba compiles where it is there; without it the same code runs, only slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from numba import njit
except ImportError:  # numba is an accelerator, never a need

    def njit(**_: Any) -> Callable[[Any], Any]:  # type: ignore[no-redef]
        """Leaves a function as it is."""
        return lambda function: function


Sums = NDArray[np.float64]

FEW = 1 << 13
"""Places times means, of all problems, up to which Python does without compiling: that takes two seconds once."""


def best_means(x: Sums, weight: NDArray[np.int64], k: int, problems: int = 1) -> Sums:
    """The k means of the partition of weighted places into runs with the smallest squared error; ascending.

    Dynamic programming over the number of runs: the best error of the first i places in m runs is the least, over where
    the last run begins, of the best error of what is before it in m − 1 runs and its own. The best beginning never goes
    back as i grows, so halving the range of i halves that of beginnings too: k · n · log n steps (Wang and Song 2011,
    Ckmeans.1d.dp, R Journal 3/2; Fisher 1958).

    Args:
        x: places ``[n]``, ascending and distinct.
        weight: how many values each stands for.
        k: runs; with no more places than that each is its own mean, and the last is repeated.
        problems: how many of this size are solved one after the other.
    """
    n = len(x)
    if n <= k:
        return np.concatenate([x, np.full(k - n, x[-1])])
    moved = x - x[n // 2]
    weights, first, second = (
        _cumulated(part, n // 2) for part in (weight.astype(float), weight * moved, weight * moved**2)
    )
    bounds = (_bounds if problems * n * k > FEW else _plain)(weights, first, second, k)
    return x[n // 2] + np.diff(first[bounds]) / np.diff(weights[bounds])


def _cumulated(part: Sums, middle: int) -> Sums:
    """Sums ``[n + 1]`` whose differences are those of runs, counted from the middle outwards.

    What lies near the middle so keeps its digits beside outliers on either side, whose squares would drown them.
    """
    below, above = -np.cumsum(part[:middle][::-1])[::-1], np.cumsum(part[middle:])
    return np.concatenate([below, [0.0], above])


@njit(cache=True, nogil=True)
def _bounds(weight: Sums, first: Sums, second: Sums, k: int) -> NDArray[np.int64]:
    """Where the runs begin and end, ``[k + 1]``, from cumulated sums ``[n + 1]``."""
    n = weight.size - 1
    errors = np.empty(n)
    for i in range(n):
        total = first[i + 1] - first[0]
        error = second[i + 1] - second[0] - total * total / (weight[i + 1] - weight[0])
        errors[i] = max(error, 0.0) if i else 0.0
    cuts = np.zeros((k, n), np.int64)
    stack = np.empty((2 * 64 + 8, 4), np.int64)
    for m in range(1, k):
        before, errors = errors, np.full(n, np.inf)
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = m, n - 1, m, n - 1
        depth = 1
        while depth:
            depth -= 1
            low, high, least, most = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            if low > high:
                continue
            i = (low + high) // 2
            best, at = np.inf, least
            for start in range(max(least, m), min(i, most) + 1):
                many = weight[i + 1] - weight[start]
                total = first[i + 1] - first[start]
                own = second[i + 1] - second[start] - total * total / many
                error = before[start - 1] + (max(own, 0.0) if start < i else 0.0)  # one place alone has none
                if error < best:
                    best, at = error, start
            errors[i], cuts[m, i] = best, at
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = low, i - 1, least, at
            depth += 1
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = i + 1, high, at, most
            depth += 1
    bounds = np.zeros(k + 1, np.int64)
    bounds[k] = n
    for m in range(k - 1, 0, -1):
        bounds[m] = cuts[m, bounds[m + 1] - 1]
    return bounds


_plain = getattr(_bounds, "py_func", _bounds)
