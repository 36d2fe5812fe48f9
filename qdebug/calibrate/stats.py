"""What an observer saw, as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class ActivationStats:
    """Everything that was collected about one tensor over the calibration data.

    Attributes:
        count: values seen; ``count − finite`` of them, ``nan + inf``, are in nothing else below.
        finite, nan, inf, zeros: how many were so.
        low, high: smallest and largest finite value; 0 where there is none.
        average_low, average_high: moving average over the batches' limits (constant 0.01), 0 where there is none.
        total, squares: sum and sum of squares.
        channel_low, channel_high: float32 per channel; +inf and −inf where a channel had no finite value.
        exponent, origin: bin i of the histogram is ``[(origin + i) · 2^exponent, (origin + i + 1) · 2^exponent)``.
        counts: int64 per bin; they sum to ``finite``.
        batches: how many updates.
    """

    count: int
    finite: int
    nan: int
    inf: int
    zeros: int
    low: float
    high: float
    average_low: float
    average_high: float
    total: float
    squares: float
    channel_low: NDArray[np.float32]
    channel_high: NDArray[np.float32]
    exponent: int
    origin: int
    counts: NDArray[np.int64]
    batches: int

    @property
    def mean(self) -> float:
        """Mean of the finite values; 0 where there is none."""
        return self.total / self.finite if self.finite else 0.0

    @property
    def std(self) -> float:
        """Standard deviation of the finite values (not below 0 by rounding)."""
        return math.sqrt(max(0.0, self.squares / self.finite - self.mean**2)) if self.finite else 0.0

    @property
    def width(self) -> float:
        """The width of a bin."""
        return math.ldexp(1.0, self.exponent)

    @property
    def edges(self) -> NDArray[np.float64]:
        """The edges of the bins, one more than there are bins."""
        return (self.origin + np.arange(len(self.counts) + 1, dtype=np.float64)) * self.width

    def deviation(self, center: float) -> float:
        """Mean absolute deviation of the finite values from a value, right to within half a bin.

        The values of a bin count as its middle, zeros as zero.
        """
        if not self.finite:
            return 0.0
        counts = self.counts.astype(np.float64)
        if self.zeros:
            counts[-self.origin] -= self.zeros
        middles = np.clip((self.origin + np.arange(len(counts)) + 0.5) * self.width, self.low, self.high)
        return float((counts @ np.abs(middles - center) + self.zeros * abs(center)) / self.finite)

    def quantile(self, share: float) -> float:
        """The value below which that share of the finite values lies, right to within one bin.

        Between two values it interpolates linearly, as numpy does.
        """
        if not self.finite:
            return 0.0
        rank = share * (self.finite - 1)
        low, high = self._ranked(math.floor(rank)), self._ranked(math.ceil(rank))
        return low + (high - low) * (rank - math.floor(rank))

    def _ranked(self, rank: int) -> float:
        """The value with so many below it. Values spread evenly over a bin, but zeros are at zero."""
        below = np.cumsum(self.counts)
        i = int(np.searchsorted(below, rank, side="right"))
        place, many = rank - int(below[i] - self.counts[i]), int(self.counts[i])
        if self.origin + i == 0:
            if place < self.zeros:
                return 0.0
            place, many = place - self.zeros, many - self.zeros
        return float(np.clip((self.origin + i + (place + 0.5) / many) * self.width, self.low, self.high))

    def histogram(self, bins: int = 256) -> tuple[float, float, NDArray[np.int64]]:
        """``low, high, counts`` of at most ``bins`` equal bins around what was seen; zero stays an edge."""
        used = np.flatnonzero(self.counts)
        if not used.size:
            return 0.0, 0.0, np.zeros(1, np.int64)
        first, last = self.origin + int(used[0]), self.origin + int(used[-1])
        step = 1
        while last // step - first // step >= bins:
            step += 1
        merged = np.zeros(last // step - first // step + 1, np.int64)
        np.add.at(merged, (self.origin + used) // step - first // step, self.counts[used])
        low = first // step * step * self.width
        return low, low + len(merged) * step * self.width, merged
