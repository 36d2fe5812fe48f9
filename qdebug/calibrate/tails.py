"""How many values of a histogram lie beyond a limit, and how far, for any number of limits at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdebug.calibrate.stats import ActivationStats


@dataclass(frozen=True, eq=False, slots=True)
class Side:
    """The values on one side of zero by magnitude, in bin widths. Values of a bin are spread evenly over it.

    Attributes:
        first: the magnitude where the bins begin: 0 unless all values are far from zero.
        counts: float64 ``[n]`` per bin.
        beyond: ``[n + 1]``: values at or beyond each edge.
        excess: ``[n + 1]``: the sum of their distances from that edge.
    """

    first: int
    counts: NDArray[np.float64]
    beyond: NDArray[np.float64]
    excess: NDArray[np.float64]

    @property
    def last(self) -> int:
        """The magnitude where the bins end."""
        return self.first + len(self.counts)

    @property
    def squares(self) -> float:
        """The sum of squared magnitudes."""
        left = self.first + np.arange(len(self.counts), dtype=np.float64)
        return float(self.counts @ (left * left + left + 1.0 / 3.0))

    def tail(self, limit: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How many values lie beyond each limit (not negative), and the sum of their distances from it."""
        place = np.minimum(limit - self.first, len(self.counts))
        i = np.clip(place.astype(np.int64), 0, max(len(self.counts) - 1, 0))
        if not len(self.counts):
            return np.zeros_like(place), np.zeros_like(place)
        left = np.minimum(i + 1 - place, 1.0)  # the share of the bin that lies beyond
        count, further = self.counts[i], self.beyond[i + 1]
        short = np.maximum(-place, 0.0)  # a limit before the first bin
        total = self.excess[i + 1] + left * further + 0.5 * left * left * count + short * self.beyond[0]
        return further + left * count, total


def sides(stats: ActivationStats) -> tuple[Side, Side]:
    """The values below zero and those above. Exact zeros are on neither side: they round to themselves."""
    counts = stats.counts.astype(np.float64)
    if stats.zeros:
        counts[-stats.origin] -= stats.zeros
    split = min(max(-stats.origin, 0), len(counts))
    return _side(counts[:split][::-1], -stats.origin - split), _side(counts[split:], stats.origin + split)


def _side(counts: NDArray[np.float64], first: int) -> Side:
    used = np.flatnonzero(counts)
    if not used.size:
        return Side(0, np.empty(0), np.zeros(1), np.zeros(1))
    counts, first = np.ascontiguousarray(counts[used[0] : used[-1] + 1]), max(first, 0) + int(used[0])
    beyond = np.append(np.cumsum(counts[::-1])[::-1], 0.0)
    # from edge to edge all further values come nearer by one, those of the bin by a half
    excess = np.append(np.cumsum((beyond[1:] + 0.5 * counts)[::-1])[::-1], 0.0)
    return Side(first, counts, beyond, excess)
