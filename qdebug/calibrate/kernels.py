"""Compiled loops of the observer over CPU float32 arrays. Importing this fails where numba is missing."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

TABLES = 8
"""Counts are kept in so many columns filled in turn: equal neighbours, such as zeros, need not wait for each other."""

Side = tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

_MASK = np.int32(0x7FFFFFFF)
_SHIFT = np.int32(31)
_LARGEST = np.int32(0x7F7FFFFF)
_INFINITY = np.int32(0x7F800000)


@njit(cache=True, nogil=True)
def limits(
    bits: NDArray[np.int32], first: int, inner: int, planes: bool, low: NDArray[np.float32], high: NDArray[np.float32]
) -> bool:
    """Smallest and largest value of each channel into ``low [C]`` and ``high [C]``; whether all values are finite.

    float32 bits are mapped to integers ("keys") in the order of the floats, NaN beyond the infinities: that vectorizes,
    as comparisons with NaN do not. A channel without a value here gets +inf and −inf.

    Args:
        bits: ``[B, M]``. With ``planes`` row r is a plane of channel ``(first + r) % C``, else the columns are those of
            C channels of ``inner`` each.
        first: number of the first row.
        inner: consecutive values of a channel.
        planes: what a row is.
        low: written.
        high: written.
    """
    channels = low.size
    columns = channels if planes else bits.shape[1]
    least, most = np.full(columns, _MASK), np.full(columns, ~_MASK)
    for r in range(bits.shape[0]):
        row = bits[r]
        if planes:
            smallest, largest = _MASK, ~_MASK
            for i in range(row.size):
                key = row[i] ^ ((row[i] >> _SHIFT) & _MASK)
                smallest = min(smallest, key)
                largest = max(largest, key)
            channel = (first + r) % channels
            least[channel] = min(least[channel], smallest)
            most[channel] = max(most[channel], largest)
        else:
            for i in range(row.size):
                key = row[i] ^ ((row[i] >> _SHIFT) & _MASK)
                least[i] = min(least[i], key)
                most[i] = max(most[i], key)
    clean, step = True, columns // channels
    ends = np.empty(2, np.int32)
    for channel in range(channels):
        smallest, largest = _MASK, ~_MASK
        for i in range(channel * step, (channel + 1) * step):
            smallest = min(smallest, least[i])
            largest = max(largest, most[i])
        if smallest > largest:
            smallest, largest = _INFINITY, ~_INFINITY
        elif smallest < ~_LARGEST or largest > _LARGEST:
            clean = False
        ends[0] = smallest ^ ((smallest >> _SHIFT) & _MASK)
        ends[1] = largest ^ ((largest >> _SHIFT) & _MASK)
        values = ends.view(np.float32)
        low[channel], high[channel] = values[0] + np.float32(0.0), values[1] + np.float32(0.0)
    return clean


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def count(
    x: NDArray[np.float32],
    inverse: np.float32,
    origin: np.float32,
    counts: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> None:
    """Count finite values in ``counts [bins, TABLES]``; add their sum, squares and zeros to ``sums``.

    The bin of a value is ``floor(x · inverse) − origin``, exact for a power of two and known to be in range. Sums are
    float64, in any order.
    """
    place = np.empty(1024, np.uint16)
    zero, left = np.float32(0.0), np.float32(-1.0)
    total, squares, zeros = 0.0, 0.0, 0
    for start in range(0, x.size, 1024):
        part = x[start : start + 1024]
        for i in range(part.size):
            k = np.floor(part[i] * inverse)
            k = left if part[i] < zero and k == zero else k  # the product underflowed
            place[i] = np.uint16(np.int32(k - origin))
        for i in range(part.size):
            value = np.float64(part[i])
            total += value
            squares += value * value
            zeros += part[i] == zero
        whole = part.size & ~(TABLES - 1)
        for i in range(0, whole, TABLES):
            for table in range(TABLES):
                counts[place[i + table], table] += 1
        for i in range(whole, part.size):
            counts[place[i], 0] += 1
    sums[0] += total
    sums[1] += squares
    sums[2] += zeros


@njit(cache=True, nogil=True, error_model="numpy")
def _gains(side: Side, scale: float, out: NDArray[np.float64]) -> None:
    """Cumulated sums of the tail beyond ``(q − ½) · scale`` for q = 1, 2 …, from 0 on."""
    first, counts, beyond, excess = side
    bins, total = counts.size, 0.0
    out[0] = 0.0
    for q in range(out.size - 1):
        place = (q + 0.5) * scale - first
        if place >= bins:
            out[q + 1 :] = total
            return
        i = min(max(int(place), 0), bins - 1)
        left = min(i + 1 - place, 1.0)
        total += excess[i + 1] + left * beyond[i + 1] + 0.5 * left * left * counts[i] + max(-place, 0.0) * beyond[0]
        out[q + 1] = total


@njit(cache=True, nogil=True, error_model="numpy")
def best_grids(
    negative: Side,
    positive: Side,
    scales: NDArray[np.float64],
    steps: int,
    least: float,
    most: float,
    error: NDArray[np.float64],
    below: NDArray[np.int64],
) -> None:
    """The best number of codes below zero of an affine grid for each scale, and its error (see :mod:`.expected`).

    Args:
        negative: the fields of the :class:`qdebug.calibrate.tails.Side` below zero.
        positive: the same above.
        scales: ``[K]``.
        steps: codes less one.
        least: the magnitude of the lower observed limit.
        most: that of the upper one.
        error: written ``[K]``.
        below: written ``[K]``.
    """
    above, under = np.empty(steps + 1), np.empty(steps + 1)
    for k in range(scales.size):
        scale = scales[k]
        _gains(positive, scale, above)
        _gains(negative, scale, under)
        error[k], below[k] = np.inf, 0
        for m in range(steps + 1):
            if m * scale <= least + 0.5 * scale and (steps - m) * scale <= most + 0.5 * scale:
                value = -2.0 * scale * (above[steps - m] + under[m])
                if value < error[k]:
                    error[k], below[k] = value, m
