"""A tensor's statistics from one pass over its values, in memory that does not depend on how many there are.

What has to move: each value is read once; a float32 value and its square are added up, and one of 65,536 counts goes
up by one: 4 bytes from memory and about seven operations. The sums are taken of many values at once; the count waits
for its store, one a cycle, and is more than half of the time. A piece is compared with the limits only where its
counts say that it may lie outside of them: few pieces of a large tensor do.
Of a stored type of at most 16 bits only the count goes up: whatever is asked about the values follows from how often
each code occurs, exactly, and costs nothing for each value.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qdebug.results.scan import OCTAVES, PEAKS, StoredStats

try:
    from qdebug.measure import stream_kernels as kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

CODES = 1 << 16
Floats = NDArray[np.float64]
_MOST = np.int32(0x7FFFFFFF)
_LEAST = np.int32(-0x80000000)


class CodeStats:
    """Statistics of a stored type with few codes.

    Args:
        values: ``[K]``, the real of each code; NaN and ±Inf too.
    """

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.counts = np.zeros(len(values), np.int64)

    def add(self, codes: NDArray[np.unsignedinteger]) -> None:
        """Count the codes of some values, ``[n]``."""
        if kernels is not None:
            kernels.count_codes(codes, self.counts)
        else:
            self.counts += np.bincount(codes, minlength=len(self.counts))

    @property
    def limits(self) -> tuple[float, float] | None:
        """The smallest and the largest finite value."""
        values, _ = self.finite
        return (float(values.min()), float(values.max())) if len(values) else None

    @property
    def finite(self) -> tuple[Floats, NDArray[np.int64]]:
        """The finite values that occur, and how often."""
        seen = np.flatnonzero((self.counts > 0) & np.isfinite(self.values))
        return self.values[seen], self.counts[seen]

    def finish(self) -> StoredStats:
        """All that is known."""
        values, counts = self.finite
        nans = int(self.counts[np.isnan(self.values)].sum())
        infinities = int(self.counts[self.values == -np.inf].sum()), int(self.counts[self.values == np.inf].sum())
        limits = self.limits
        if limits is None:
            return _nothing(nans, infinities)
        count = int(counts.sum())
        mean = float((values * counts).sum() / count)
        moments = mean, *(float((np.square(values - of) * counts).sum() / count) for of in (mean, 0.0))
        return _told(limits, moments, _Odd(int(counts[values == 0].sum()), nans, infinities), values, counts)


class FloatStats:
    """Statistics of float32 values, or of float64 ones and integers, which are taken as float64.

    The sums are of the values less the first finite one. It is one of the values, so its squared distance from the mean
    is at most their number times the variance: what cancels in the variance is at most that part of a float64's digits,
    and values that are all the same have a variance of exactly zero.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(CODES, np.int64)
        self._sums, self._tallies = np.zeros(2), np.zeros(5, np.int64)
        self._ends = np.array([_MOST, _LEAST], np.int32)
        self._wide_ends = math.inf, -math.inf
        self._shift: float | None = None
        self._seen = 0

    def add(self, values: NDArray[np.float32] | Floats) -> None:
        """Look at some values, ``[n]`` contiguous."""
        if self._shift is None:
            first = values[:1] if len(values) and np.isfinite(values[0]) else values[np.isfinite(values)][:1]
            self._shift = float(first[0]) if len(first) else None
        self._seen += len(values)
        if kernels is not None and values.dtype == np.float32:
            shift = self._shift or 0.0
            kernels.look(values.view(np.int32), shift, self._counts, self._sums, self._ends, self._tallies)
        else:
            self._add_plain(values)

    def _add_plain(self, values: NDArray[np.float32] | Floats) -> None:
        good = values[np.isfinite(values)].astype(np.float64)
        with np.errstate(over="ignore"):  # float64 may hold what has no square, and no float32
            if len(good):
                self._wide_ends = min(self._wide_ends[0], good.min()), max(self._wide_ends[1], good.max())
                left = good - (self._shift or 0.0)
                self._sums += left.sum(), np.square(left).sum()
            bits = values.astype(np.float32).view(np.uint32)
        negative = np.signbit(values) & (values == 0)
        found = (values == 0) & ~negative, negative, np.isnan(values), values == np.inf, values == -np.inf
        self._tallies += [np.count_nonzero(which) for which in found]
        self._counts += np.bincount(bits >> 16, minlength=CODES)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The smallest and the largest finite value."""
        low, high = self._wide_ends
        if self._ends[0] <= self._ends[1]:
            ends = (self._ends ^ ((self._ends >> 31) & _MOST)).view(np.float32)
            low, high = min(low, float(ends[0])), max(high, float(ends[1]))
        return (float(low), float(high)) if low <= high else None

    def finish(self) -> StoredStats:
        """All that is known."""
        zeros, negative, nans, above, below = (int(tally) for tally in self._tallies)
        limits, odd = self.limits, _Odd(zeros + negative, nans, (below, above))
        if limits is None:
            return _nothing(odd.nans, odd.infinities)
        total, squares = (float(one) / (self._seen - nans - above - below) for one in self._sums)
        shift = self._shift or 0.0
        moments = shift + total, squares - total * total, squares + 2 * shift * total + shift * shift
        values, counts = self._middles(zeros, negative)
        return _told(limits, moments, odd, values, counts)

    def _middles(self, zeros: int, negative: int) -> tuple[Floats, NDArray[np.int64]]:
        """Zero, and the middle of each run of float32 values that share the upper half of their bits; how many each."""
        counts = self._counts.copy()
        counts[0] -= zeros
        counts[0x8000] -= negative
        seen = np.flatnonzero(counts != 0)  # of truth values: a fifth of the time
        middles = ((seen.astype(np.uint32) << 16) | 0x8000).view(np.float32)
        good = np.isfinite(middles)
        return np.append(middles[good].astype(np.float64), 0.0), np.append(counts[seen][good], zeros + negative)


class _Odd(NamedTuple):
    """How many values are zero, NaN, and infinite below and above."""

    zeros: int
    nans: int
    infinities: tuple[int, int]


def _nothing(nans: int, infinities: tuple[int, int]) -> StoredStats:
    return StoredStats(
        count=nans + sum(infinities), low=None, high=None, mean=None, std=None, rms=None, absmax=None, crest=None,
        zeros=0, nans=nans, infinities=infinities, outliers=(), top=None, below=(), above=(),
    )  # fmt: skip


def _told(
    limits: tuple[float, float], moments: tuple[float, ...], odd: _Odd, values: Floats, counts: NDArray[np.int64]
) -> StoredStats:
    """The statistics from limits and moments (mean, variance, mean square) and the distribution over ``values``."""
    absmax, count = max(-limits[0], limits[1]), int(counts.sum())
    mean, std, rms = moments[0], *(math.sqrt(max(one, 0.0)) for one in moments[1:])
    top = math.frexp(absmax)[1] - 1 if absmax else None
    sides = [_octaves(values * sign, counts, top) if top is not None else () for sign in (-1.0, 1.0)]
    return StoredStats(
        count=count + odd.nans + sum(odd.infinities), low=limits[0], high=limits[1], mean=mean, std=_number(std),
        rms=_number(rms), absmax=absmax, crest=_number(absmax / rms) if rms else None, zeros=odd.zeros, nans=odd.nans,
        infinities=odd.infinities, outliers=tuple(float(counts[np.abs(values) > k * rms].sum() / count) for k in PEAKS),
        top=top, below=sides[0], above=sides[1],
    )  # fmt: skip


def _number(value: float) -> float | None:
    """None where float64 has overflowed."""
    return value if math.isfinite(value) else None


def _octaves(values: Floats, counts: NDArray[np.int64], top: int) -> tuple[int, ...]:
    """How many values above zero each octave from ``top`` down holds."""
    chosen = values > 0
    places = np.clip(top + 1 - np.frexp(values[chosen])[1], 0, OCTAVES - 1)
    return tuple(int(n) for n in np.bincount(places, counts[chosen], OCTAVES))


def squared_error(x: NDArray[np.float32], xq: NDArray[np.float32]) -> float:
    """The sum of ``(xq − x)²`` over finite ``x``; what has become infinite or NaN counts as if it had become 0.

    As in :class:`qdebug.measure.split.SplitAccumulator`.

    Args:
        x: contiguous, of any shape.
        xq: the same.
    """
    if kernels is not None:
        return float(kernels.squared_error(x.reshape(-1), xq.reshape(-1)))
    good = np.isfinite(x)
    value, kept = x[good].astype(np.float64), xq[good].astype(np.float64)
    return float(np.square(np.where(np.isfinite(kept), kept, 0.0) - value).sum())
