"""Compiled loops of the observer over CPU float32 arrays. Importing this fails where numba is missing."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Keys = NDArray[np.int32]
"""float32 bits mapped to integers in the order of the floats: NaN lies beyond the infinities, −0.0 just below 0.0."""

_MASK = np.int32(0x7FFFFFFF)
_SHIFT = np.int32(31)
_TABLES = 4
"""Count tables filled in turn, so that equal neighbours do not wait for each other's store."""


@njit(cache=True, nogil=True)
def column_keys(bits: Keys, low: Keys, high: Keys) -> None:
    """Lower ``low [M]`` and raise ``high [M]`` to the keys of the columns of ``bits [B, M]``."""
    for r in range(bits.shape[0]):
        row = bits[r]
        for c in range(row.size):
            key = row[c] ^ ((row[c] >> _SHIFT) & _MASK)
            low[c] = min(low[c], key)
            high[c] = max(high[c], key)


@njit(cache=True, nogil=True)
def plane_keys(bits: Keys, first: int, low: Keys, high: Keys) -> None:
    """The same for planes: row r of ``bits [B, M]`` is of channel ``(first + r) % C`` of ``low`` and ``high [C]``."""
    channels = low.size
    for r in range(bits.shape[0]):
        row = bits[r]
        least, most = _MASK, ~_MASK
        for c in range(row.size):
            key = row[c] ^ ((row[c] >> _SHIFT) & _MASK)
            least = min(least, key)
            most = max(most, key)
        channel = (first + r) % channels
        low[channel] = min(low[channel], least)
        high[channel] = max(high[channel], most)


@njit(cache=True, nogil=True)
def count(x: NDArray[np.float32], inverse: np.float32, origin: np.float32, tables: NDArray[np.int32]) -> None:
    """Count finite values, known to be in range, into ``tables [4, bins]``: bin ``floor(x · inverse) − origin``."""
    place = np.empty(1024, np.int32)
    for start in range(0, x.size, 1024):
        part = x[start : start + 1024]
        for i in range(part.size):
            place[i] = np.int32(np.floor(part[i] * inverse) - origin)
        whole = part.size & ~3
        for i in range(0, whole, 4):
            tables[0, place[i]] += 1
            tables[1, place[i + 1]] += 1
            tables[2, place[i + 2]] += 1
            tables[3, place[i + 3]] += 1
        for i in range(whole, part.size):
            tables[0, place[i]] += 1


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def sums(x: NDArray[np.float32]) -> tuple[float, float, int]:
    """Sum, sum of squares and number of zeros of finite values, summed in float64 in any order."""
    total, squares, zeros = 0.0, 0.0, 0
    for i in range(x.size):
        value = np.float64(x[i])
        total += value
        squares += value * value
        zeros += x[i] == 0
    return total, squares, zeros
