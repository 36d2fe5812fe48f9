"""Compiled loops of the observer over CPU float32 arrays. Importing this fails where numba is missing.

A tensor is read from memory once: rows are taken in tiles that stay in the cache between the limits of the channels,
the numbers of the bins, the counting and the moments. float32 bits are mapped to integers ("keys") in the order of the
floats, NaN beyond the infinities: that vectorizes, as comparisons with NaN do not.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

TABLES = 8
"""Counts are kept in so many columns filled in turn: equal neighbours, such as zeros, need not wait for each other."""

Side = tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

_MASK = np.int32(0x7FFFFFFF)
_LEAST = np.int32(-0x80000000)
_SHIFT = np.int32(31)
_LARGEST = np.int32(0x7F7FFFFF)

_LONG = 256
"""Values in a row from which one loop does two things at once."""

_NARROW = 1 << 9
"""Values in a row below which it costs more to begin a row than to look at it."""

_STRIP = 1 << 12
"""Columns of eight rows that are in the cache together."""

_BLOCK = 1024
"""Values whose bins are known before they are counted."""


@njit(cache=True, nogil=True, error_model="numpy")
def look(
    bits: NDArray[np.int32],
    row: int,
    step: int,
    planes: bool,
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    inverse: np.float32,
    origin: np.float32,
    counts: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> int:
    """Limits of the channels, counts and sums of rows, up to the first tile that is not finite or leaves the bins.

    Args:
        bits: ``[B, M]``, float32 values as integers. With ``planes`` row r holds channel ``r % C`` alone, else every
            row holds C channels side by side.
        row: the first row to look at.
        step: rows in a tile.
        planes: what a row is.
        low: ``[C]``, lowered.
        high: ``[C]``, raised.
        inverse: the reciprocal of the bins' width.
        origin: the number of the first bin.
        counts: see :func:`count`.
        sums: the sum of the values and of their squares, added to, in any order.

    Returns:
        The row where it stopped: nothing from there on is in the results. B where all is done.
    """
    channels, width = low.size, bits.shape[1]
    keys, flat, bins, first = bits.reshape(-1), bits.view(np.float32).reshape(-1), counts.shape[0] - 1, row
    # limits in hand: of each row of a tile, or of each column so far; narrow rows count as one wide row together
    found = step if planes else width * max(1, _NARROW // width)
    least, most = np.full(found, _MASK), np.full(found, _LEAST)
    while row < bits.shape[0]:
        stop = min(row + step, bits.shape[0])
        x = flat[row * width : stop * width]
        if planes:
            found = stop - row
            total, squares = _row_ends(bits[row:stop], x, least, most)
        else:
            total, squares = _column_ends(keys[row * width : stop * width], x, least, most)
        smallest, largest = _smallest(least[:found]), _largest(most[:found])
        clean = smallest >= ~_LARGEST and largest <= _LARGEST
        if not clean or _bin(_value(smallest), inverse) < origin or _bin(_value(largest), inverse) >= origin + bins:
            if not clean and not planes:  # forget the columns of this tile
                least[:] = _MASK
                most[:] = _LEAST
                _column_ends(keys[first * width : row * width], flat[first * width : row * width], least, most)
            break
        if planes:
            _keep(least[:found], most[:found], low, high, row)
        count(x, inverse, origin, counts)
        sums[0] += total
        sums[1] += squares
        row = stop
    if not planes and row > first:
        _keep(_by_channel(least, width, channels, True), _by_channel(most, width, channels, False), low, high, 0)
    return row


@njit(cache=True, nogil=True, error_model="numpy")
def count(
    x: NDArray[np.float32],
    inverse: np.float32,
    origin: np.float32,
    counts: NDArray[np.int32],
) -> None:
    """Count finite values in ``counts [bins + 1, TABLES]``, zeros in its last row.

    The bin of a value is ``floor(x · inverse) − origin``, exact for a power of two and known to be in range.
    """
    place = np.empty(_BLOCK, np.int32)
    where = place.view(np.uint32)  # an index that cannot be negative needs no test
    zero, left, last = np.float32(0.0), np.float32(-1.0), np.float32(counts.shape[0] - 1)
    for start in range(0, x.size, _BLOCK):
        part = x[start : start + _BLOCK]
        if inverse >= np.float32(1.0):
            for i in range(part.size):
                k = np.floor(part[i] * inverse) - origin
                place[i] = np.int32(last if part[i] == zero else k)
        else:
            for i in range(part.size):
                k = np.floor(part[i] * inverse)
                k = left if part[i] < zero and k == zero else k  # the product underflowed
                place[i] = np.int32(last if part[i] == zero else k - origin)
        whole = part.size & ~(TABLES - 1)
        for i in range(0, whole, TABLES):
            for table in range(TABLES):
                counts[where[i + table], table] += 1
        for i in range(whole, part.size):
            counts[where[i], 0] += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def moments(x: NDArray[np.float32]) -> tuple[float, float]:
    """The sum of the values and of their squares, in any order."""
    total, squares = 0.0, 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        total += value
        squares += value * value
    return total, squares


@njit(cache=True, nogil=True, error_model="numpy")
def _bin(value: np.float32, inverse: np.float32) -> np.float32:
    k = np.floor(value * inverse)
    return np.float32(-1.0) if value < np.float32(0.0) and k == np.float32(0.0) else k


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _row_ends(
    rows: NDArray[np.int32], x: NDArray[np.float32], least: NDArray[np.int32], most: NDArray[np.int32]
) -> tuple[float, float]:
    """The smallest and the largest key of each row, and the moments of all: ``x`` is the same as values.

    In one loop where rows are long: while they come from memory there is time for both.
    """
    total, squares, width = 0.0, 0.0, rows.shape[1]
    together = width >= _LONG
    if not together:
        total, squares = moments(x)
    for r in range(rows.shape[0]):
        row, smallest, largest = rows[r], _MASK, _LEAST
        if together:
            values = x[r * width : (r + 1) * width]
            for i in range(width):
                key = row[i] ^ ((row[i] >> _SHIFT) & _MASK)
                smallest = min(smallest, key)
                largest = max(largest, key)
                value = np.float64(values[i])
                total += value
                squares += value * value
        else:
            for i in range(width):
                key = row[i] ^ ((row[i] >> _SHIFT) & _MASK)
                smallest = min(smallest, key)
                largest = max(largest, key)
        least[r], most[r] = smallest, largest
    return total, squares


@njit(cache=True, nogil=True)
def _column_ends(
    bits: NDArray[np.int32], x: NDArray[np.float32], least: NDArray[np.int32], most: NDArray[np.int32]
) -> tuple[float, float]:
    """The smallest and the largest key of each column of rows ``bits``, and the moments of all.

    Args:
        bits: float32 bits of rows one after another, flat.
        x: the same as values.
        least: lowered.
        most: raised.

    Returns:
        The sum of the values, and of their squares.
    """
    total, squares, width = 0.0, 0.0, least.size
    whole = bits.size // (8 * width) * 8 * width
    for start in range(0, whole, 8 * width):
        for c in range(0, width, _STRIP):
            stop = min(c + _STRIP, width)
            for r in range(start, start + 8 * width, width):  # first, for this is quick where values come from memory
                one, two = moments(x[r + c : r + stop])
                total, squares = total + one, squares + two
            _eight_rows(bits[start : start + 8 * width], c, least[c:stop], most[c:stop])
    for r in range(whole, bits.size, width):
        row = bits[r : r + width]
        for i in range(row.size):
            key = row[i] ^ ((row[i] >> _SHIFT) & _MASK)
            least[i] = min(least[i], key)
            most[i] = max(most[i], key)
    one, two = moments(x[whole:])
    return total + one, squares + two


@njit(cache=True, nogil=True)
def _by_channel(keys: NDArray[np.int32], width: int, channels: int, least: bool) -> NDArray[np.int32]:
    """The smallest or largest key of each channel from those of columns; rows of ``width`` columns side by side."""
    inner = width // channels
    if inner == 1 and keys.size == width:
        return keys
    found = np.full(channels, _MASK if least else _LEAST)
    for start in range(0, keys.size, inner):
        channel, part = start // inner % channels, keys[start : start + inner]
        found[channel] = min(found[channel], _smallest(part)) if least else max(found[channel], _largest(part))
    return found


@njit(cache=True, nogil=True)
def _eight_rows(rows: NDArray[np.int32], start: int, least: NDArray[np.int32], most: NDArray[np.int32]) -> None:
    """A strip of eight rows at a time: the limits so far are read and written once for all of them."""
    w = rows.size // 8
    a, b, c, d = rows[start:w], rows[w + start :], rows[2 * w + start :], rows[3 * w + start :]
    e, f, g, h = rows[4 * w + start :], rows[5 * w + start :], rows[6 * w + start :], rows[7 * w + start :]
    for i in range(least.size):
        i0, i1 = a[i] ^ ((a[i] >> _SHIFT) & _MASK), b[i] ^ ((b[i] >> _SHIFT) & _MASK)
        i2, i3 = c[i] ^ ((c[i] >> _SHIFT) & _MASK), d[i] ^ ((d[i] >> _SHIFT) & _MASK)
        i4, i5 = e[i] ^ ((e[i] >> _SHIFT) & _MASK), f[i] ^ ((f[i] >> _SHIFT) & _MASK)
        i6, i7 = g[i] ^ ((g[i] >> _SHIFT) & _MASK), h[i] ^ ((h[i] >> _SHIFT) & _MASK)
        least[i] = min(least[i], i0, i1, i2, i3, i4, i5, i6, i7)
        most[i] = max(most[i], i0, i1, i2, i3, i4, i5, i6, i7)


@njit(cache=True, nogil=True)
def _smallest(keys: NDArray[np.int32]) -> np.int32:
    found = _MASK
    for i in range(keys.size):
        found = min(found, keys[i])
    return found


@njit(cache=True, nogil=True)
def _largest(keys: NDArray[np.int32]) -> np.int32:
    found = _LEAST
    for i in range(keys.size):
        found = max(found, keys[i])
    return found


@njit(cache=True, nogil=True)
def _keep(
    least: NDArray[np.int32], most: NDArray[np.int32], low: NDArray[np.float32], high: NDArray[np.float32], first: int
) -> None:
    """Limits of channels ``first``, ``first + 1`` … (of C in turn) into those of all. The keys become float32 bits."""
    for keys in (least, most):
        for i in range(keys.size):
            keys[i] = keys[i] ^ ((keys[i] >> _SHIFT) & _MASK)
    below, above, channel = least.view(np.float32), most.view(np.float32), first % low.size
    for i in range(least.size):
        low[channel] = below[i] if below[i] < low[channel] else low[channel]
        high[channel] = above[i] if above[i] > high[channel] else high[channel]
        channel = channel + 1 if channel + 1 < low.size else 0


@njit(cache=True, nogil=True)
def _value(key: np.int32) -> np.float32:
    bits = np.empty(1, np.int32)
    bits[0] = key ^ ((key >> _SHIFT) & _MASK)
    return bits.view(np.float32)[0]


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
