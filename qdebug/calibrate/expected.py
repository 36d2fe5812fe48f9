"""The clip range of least expected squared error, exactly on a histogram.

With codes at every multiple of the scale s from ``−m·s`` to ``n·s``, a value x moves on from code q − 1 to code q at
``(q − ½)·s``, and its squared error is less than that of code 0 by ``2s·(x − (q − ½)·s)`` for every code it moves on.
So the error of a whole distribution is ::

    Σx² − 2s · [ Σ_{q=1..n} U((q − ½)s) + Σ_{q=1..m} V((q − ½)s) ]

where U(b) is the sum of the distances from b of all values beyond b, and V the same below zero: cumulated sums over the
bins, looked up once per code instead of once per bin. On an affine grid of N steps the two inner sums for every n and
m = N − n are cumulated sums over q. So one look at N places on either side gives the error for *every* zero point, and
a pair of limits enters through its width alone: all widths times all zero points hold all pairs of bin edges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qdebug.calibrate import passes
from qdebug.calibrate.stats import ActivationStats
from qdebug.calibrate.tails import Side, sides
from qdebug.formats import Integer

_BEST = 4
"""Places of the coarse search that are looked into."""

_FINER = 16
"""Steps from one candidate to the next in each of the finer searches."""

_ROUNDS = 2
"""Finer searches."""


class Grids(NamedTuple):
    """The best zero point for each scale."""

    error: NDArray[np.float64]
    below: NDArray[np.int64]


def least_error(stats: ActivationStats, fmt: Integer, symmetric: bool) -> tuple[float, float]:
    """The clip range, zero included, for which the expected squared error is least.

    The values of a bin are spread evenly over it, zeros lie exactly at zero. Symmetric: every bin edge is tried as the
    limit; affine: every pair of bin edges; then, inside the best few bins, limits between the edges. The observed range
    is tried too, so the result is never worse.

    Args:
        stats: with at least two different values.
        fmt: an integer format.
        symmetric: zero point fixed at 0.
    """
    low, high = min(stats.low, 0.0), max(stats.high, 0.0)
    negative, positive = sides(stats)
    qmin, qmax = fmt.codes(symmetric)
    steps = qmax if symmetric else qmax - qmin
    least, most = -low / stats.width, high / stats.width  # in bin widths from here on
    reach = max(least, most) if symmetric else least + most
    # a limit that all values lie beyond is worse than one nearer to them; a symmetric grid has one code more below zero
    nearest = [(negative, qmax / -qmin if symmetric else 1.0), (positive, 1.0)]
    first = min(int(side.first * share) for side, share in nearest if len(side.counts))
    widths = np.append(np.arange(first + 1, np.ceil(reach)), reach)

    def search(candidates: NDArray[np.floating]) -> Grids:
        scales = candidates / steps
        if symmetric:
            above, below = (_gains(side, scales, count)[:, -1] for side, count in ((positive, qmax), (negative, -qmin)))
            return Grids(-2.0 * scales * (above + below), np.full(len(scales), -qmin))
        return _affine(negative, positive, scales, steps, least, most)

    found, step = search(widths), 1.0
    for _ in range(_ROUNDS):
        best = widths[np.argsort(found.error, kind="stable")[:_BEST]]
        near = best[:, None] + np.arange(-_FINER, _FINER + 1) * (step / _FINER)
        widths = np.unique(np.append(np.clip(near, min(first + 0.5, reach), reach), best))
        found, step = search(widths), step / _FINER
    i = int(found.error.argmin())
    if symmetric:
        limit = float(widths[i]) * stats.width
        return (low, high) if widths[i] == reach else (max(-limit, low), min(limit, high))
    return _limits(float(widths[i]) * stats.width, int(found.below[i]), steps, low, high)


def _affine(
    negative: Side, positive: Side, scales: NDArray[np.float64], steps: int, least: float, most: float
) -> Grids:
    if passes.kernels is not None:
        error, below = np.empty(len(scales)), np.empty(len(scales), np.int64)
        under, over = ((side.first, side.counts, side.beyond, side.excess) for side in (negative, positive))
        passes.kernels.best_grids(under, over, scales, steps, least, most, error, below)
        return Grids(error, below)
    parts = []
    for part in np.array_split(scales, -(-len(scales) * steps // (1 << 15))):
        above, below = _gains(positive, part, steps)[:, ::-1], _gains(negative, part, steps)
        error = -2.0 * part[:, None] * (above + below)  # column m has m codes below zero
        count = np.arange(steps + 1)
        reached = (count * part[:, None] <= least + 0.5 * part[:, None]) & (
            (steps - count) * part[:, None] <= most + 0.5 * part[:, None]
        )
        error = np.where(reached, error, np.inf)
        parts.append((error.min(1), error.argmin(1)))
    return Grids(np.concatenate([error for error, _ in parts]), np.concatenate([best for _, best in parts]))


def _gains(side: Side, scales: NDArray[np.float64], codes: int) -> NDArray[np.float64]:
    """The inner sums for 0, 1 … ``codes`` codes: ``[scales, codes + 1]``."""
    _, total = side.tail((np.arange(codes) + 0.5) * scales[:, None])
    return np.concatenate([np.zeros((len(scales), 1)), np.cumsum(total, axis=1)], axis=1)


def _limits(width: float, below: int, steps: int, low: float, high: float) -> tuple[float, float]:
    """Limits so far apart inside the observed ones, whose scale and zero point are those found."""
    if width >= high - low:
        return low, high
    start = min(max(-below * (width / steps), low), high - width)
    return min(start, 0.0), max(start + width, 0.0)
