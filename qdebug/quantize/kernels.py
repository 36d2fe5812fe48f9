"""Compiled loops over CPU float32 arrays. Importing this fails where numba is missing; callers then use torch.

Each kernel does the operations of its torch counterpart in the same order and precision, so results are equal byte
for byte. The ``numpy`` error model lets divisions vectorize (no test for a zero divisor; scales are never zero). No
fast-math flag is set where values are produced: NaN must stay NaN and division must stay division.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Loops run over slices of one dimension: an index computed into a matrix might be negative for all that the compiler
# knows, and then it does not vectorize. Comparisons with NaN are false, so NaN passes both clamps. Adding 0.0 turns
# −0.0 into 0.0, as subtracting the zero point from a code would.


@njit(cache=True, nogil=True, error_model="numpy")
def round_all(x: Floats, out: Floats, scale: np.float32, low: np.float32, high: np.float32) -> None:
    """Fake-quantize a flat array with one scale; ``low`` and ``high`` are the code limits minus the zero point."""
    zero = np.float32(0.0)
    for i in range(x.size):
        t = np.rint(x[i] / scale)
        t = low if t < low else t
        t = high if t > high else t
        out[i] = (t + zero) * scale


@njit(cache=True, nogil=True, error_model="numpy")
def round_over(x: Floats, scale: np.float32, low: np.float32, high: np.float32) -> None:
    """:func:`round_all` written over ``x``: with one array the compiler need not fear that two overlap (5 × faster)."""
    zero = np.float32(0.0)
    for i in range(x.size):
        t = np.rint(x[i] / scale)
        t = low if t < low else t
        t = high if t > high else t
        x[i] = (t + zero) * scale


@njit(cache=True, nogil=True, error_model="numpy")
def round_groups(x: Floats, out: Floats, scale: Floats, low: Floats, high: Floats, size: int) -> None:
    """Fake-quantize ``x [R, C]`` with ``scale [R, G]`` over groups of ``size`` columns."""
    zero = np.float32(0.0)
    rows, columns = x.shape
    for r in range(rows):
        for g in range(scale.shape[1]):
            s, below, above = scale[r, g], low[r, g], high[r, g]
            end = min(g * size + size, columns)
            values, written = x[r, g * size : end], out[r, g * size : end]
            for i in range(values.size):
                t = np.rint(values[i] / s)
                t = below if t < below else t
                t = above if t > above else t
                written[i] = (t + zero) * s


@njit(cache=True, nogil=True, error_model="numpy")
def row_ranges(x: Floats, low: Floats, high: Floats) -> None:
    """Smallest and largest finite value of each row of ``x [R, C]``, zero included.

    Works on the bits, mapped to integers in the order of the floats: that vectorizes, as comparisons with NaN do not.
    """
    bits = x.view(np.int32)
    mask = np.int32(0x7FFFFFFF)
    largest = np.int32(0x7F7FFFFF)  # the largest finite float32
    smallest = np.int32(~0x7F7FFFFF)
    for r in range(x.shape[0]):
        row = bits[r]
        least, most = np.int32(0), np.int32(0)
        for i in range(row.size):
            key = row[i] ^ ((row[i] >> np.int32(31)) & mask)
            least = min(least, key)
            most = max(most, key)
        if least < smallest or most > largest:
            least, most = np.int32(0), np.int32(0)
            for i in range(row.size):
                key = row[i] ^ ((row[i] >> np.int32(31)) & mask)
                if smallest <= key <= largest:
                    least = min(least, key)
                    most = max(most, key)
        pair = np.empty(2, np.int32)
        pair[0] = least ^ ((least >> np.int32(31)) & mask)
        pair[1] = most
        values = pair.view(np.float32)
        low[r], high[r] = values[0], values[1]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def group_errors(x: Floats, scale: Floats, low: Floats, high: Floats, size: int, out: NDArray[np.float64]) -> None:
    """Sum of squared quantization errors of each group of ``x [R, C]``, into ``out [R, G]``.

    Only the order of the summation is left to the compiler (``reassoc``). Values must be finite.
    """
    rows, columns = x.shape
    for r in range(rows):
        for g in range(scale.shape[1]):
            s, below, above = scale[r, g], low[r, g], high[r, g]
            total = 0.0
            values = x[r, g * size : min(g * size + size, columns)]
            for i in range(values.size):
                t = np.rint(values[i] / s)
                t = min(max(t, below), above)
                e = np.float64(values[i] - t * s)
                total += e * e
            out[r, g] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def group_tails(x: Floats, low: NDArray[np.float64], high: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """What lies beyond ``low`` and ``high [R, G]`` in ``x [R, G, size]``, into ``out [4, R, G]``.

    The number of values below and the sum of their distances from ``low``, and the same above ``high``. Only the order
    of the summation is left to the compiler (``reassoc``). Values must be finite.
    """
    for r in range(x.shape[0]):
        for g in range(x.shape[1]):
            values, below, above = x[r, g], low[r, g], high[r, g]
            under, over, fewer, more = 0.0, 0.0, 0, 0
            for i in range(values.size):
                value = np.float64(values[i])
                under += max(below - value, 0.0)
                over += max(value - above, 0.0)
                fewer += value < below
                more += value > above
            out[0, r, g], out[1, r, g], out[2, r, g], out[3, r, g] = fewer, under, more, over
