"""Compiled loops over values that are seen once. Importing this fails where numba is missing.

Sums are float64; only their order is left to the compiler (``reassoc``).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

TILE = 4096
"""Values that stay in the first-level cache between the two loops over them."""

_MASK = np.int32(0x7FFFFFFF)
_SHIFT = np.int32(31)
_MINUS = 0x8000
"""The upper half of the bits of −0."""
_LARGEST = np.int32(0x7F7FFFFF)
_LEAST = np.int32(-0x80000000)
_INFINITE = 0x7F80
"""The upper half of the bits of +Inf; those of NaNs are above."""
_HALF, _HALVES, _CODE = np.uint64(16), np.uint64(48), np.uint64(0xFFFF)
_HALF_OF_ONE = np.int32(16)


@njit(cache=True, nogil=True)
def count_codes(codes: NDArray[np.unsignedinteger], counts: NDArray[np.int64]) -> None:
    """Count unsigned codes: ``counts[code] += 1``."""
    for i in range(codes.size):
        counts[codes[i]] += 1


@njit(cache=True, nogil=True)
def look(
    bits: NDArray[np.int32], shift: float, counts: NDArray[np.int64], sums: NDArray[np.float64],
    ends: NDArray[np.int32], tallies: NDArray[np.int64],
) -> None:  # fmt: skip
    """Take float32 values, given as integers, into all that is counted and added up.

    Args:
        bits: ``[n]``.
        shift: taken from every value before it is added.
        counts: ``[2¹⁶]`` by the upper half of a value's bits.
        sums: of the finite values less ``shift``, and of the squares of that.
        ends: the smallest and the largest key of a finite value; keys are integers in the order of the floats.
        tallies: +0, −0, NaNs, +Inf, −Inf.
    """
    if not bits.size:
        return
    floats, pairs = bits.view(np.float32), bits[: bits.size // 2 * 2].view(np.uint64)
    before = _odd(counts), _at(counts, ends[0] ^ _MASK), _at(counts, ends[1])
    total, squares = 0.0, 0.0
    for start in range(0, bits.size, TILE):
        more, larger = _sums(floats[start : start + TILE], shift)
        total += more
        squares += larger
        small = counts[0] + counts[_MINUS]
        for pair in pairs[start // 2 : (start + TILE) // 2]:  # one a cycle, whatever is done: it waits for the store
            counts[(pair >> _HALF) & _CODE] += 1
            counts[pair >> _HALVES] += 1
        if bits.size % 2 and start + TILE >= bits.size:
            counts[(bits[-1] >> _HALF_OF_ONE) & 0xFFFF] += 1
        if counts[0] + counts[_MINUS] > small:
            _zeros(bits[start : start + TILE], tallies)
    if _odd(counts) > before[0]:
        low, high, total, squares = _finite(bits, floats, shift, tallies)
    elif _may_lie_outside(counts, ends, before[1], before[2]):
        low, high = _limits(bits, bits.view(np.uint32))
    else:
        low, high = ends[0], ends[1]
    ends[0], ends[1] = min(ends[0], low), max(ends[1], high)
    sums[0] += total
    sums[1] += squares


@njit(cache=True, nogil=True)
def _odd(counts: NDArray[np.int64]) -> int:
    """How many values are not finite."""
    return counts[_INFINITE:_MINUS].sum() + counts[_MINUS + _INFINITE :].sum()


@njit(cache=True, nogil=True)
def _at(counts: NDArray[np.int64], bits: np.int32) -> int:
    """How many values share the upper half of these bits."""
    return counts[(bits >> _HALF_OF_ONE) & 0xFFFF]


@njit(cache=True, nogil=True)
def _may_lie_outside(counts: NDArray[np.int64], ends: NDArray[np.int32], lowest: int, highest: int) -> bool:
    """Whether a value that was counted meanwhile may lie outside of the limits.

    ``lowest`` and ``highest`` are how many values had the limits' upper halves before. False for most pieces of a large
    tensor, which are then not compared with the limits. Of limits with one sign nothing is known: True.
    """
    if ends[0] >= 0 or ends[1] < 0:
        return True
    low, high = (ends[0] ^ _MASK) >> _HALF_OF_ONE & 0xFFFF, ends[1] >> _HALF_OF_ONE
    found = counts[low] - lowest | counts[high] - highest
    for one in counts[low + 1 : _MINUS + _INFINITE]:
        found |= one  # and no end at the first: so many are looked at in one step
    for one in counts[high + 1 : _INFINITE]:
        found |= one
    return bool(found != 0)


@njit(cache=True, nogil=True)
def _limits(part: NDArray[np.int32], unsigned: NDArray[np.uint32]) -> tuple[np.int32, np.int32]:
    """Smallest and largest key of finite values.

    Of bits taken for integers the largest says which value lies highest if one is positive; taken without a sign, the
    largest says which lies lowest if one is negative, and the smallest which lies next to zero where all have one sign.
    No arithmetic is done on any value: numba would do it on 64 bits, and half as many at once.
    """
    top, most, least = part[0], unsigned[0], unsigned[0]
    for i in range(part.size):
        top, most, least = max(top, part[i]), max(most, unsigned[i]), min(least, unsigned[i])
    nearest, farthest = np.int32(least), np.int32(most)
    return farthest ^ _MASK if farthest < 0 else nearest, top if top >= 0 else nearest ^ _MASK


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sums(values: NDArray[np.float32], shift: float) -> tuple[float, float]:
    """The sums over finite values."""
    total, squares = 0.0, 0.0
    for i in range(values.size):
        value = np.float64(values[i]) - shift
        total += value
        squares += value * value
    return total, squares


@njit(cache=True, nogil=True)
def _zeros(part: NDArray[np.int32], tallies: NDArray[np.int64]) -> None:
    """Count the zeros of either sign."""
    zeros, negative = np.int32(0), np.int32(0)
    for i in range(part.size):
        zeros += np.int32(part[i] == 0)
        negative += np.int32(part[i] == _LEAST)
    tallies[0] += zeros
    tallies[1] += negative


@njit(cache=True, nogil=True)
def _finite(
    part: NDArray[np.int32], values: NDArray[np.float32], shift: float, tallies: NDArray[np.int64]
) -> tuple[np.int32, np.int32, float, float]:
    """The same of the finite values; the others are tallied."""
    low, high, total, squares = _MASK, _LEAST, 0.0, 0.0
    for i in range(part.size):
        bits = part[i]
        size = bits & _MASK
        if size > _LARGEST:
            tallies[2 if size > _LARGEST + 1 else 3 if bits > 0 else 4] += 1
        else:
            key = bits ^ ((bits >> _SHIFT) & _MASK)
            low, high = min(low, key), max(high, key)
            value = np.float64(values[i]) - shift
            total += value
            squares += value * value
    return low, high, total, squares


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def squared_error(x: NDArray[np.float32], xq: NDArray[np.float32]) -> float:
    """The sum of ``(xq − x)²`` over finite ``x``; what has become infinite or NaN counts as 0."""
    bits, other = x.view(np.int32), xq.view(np.int32)
    noise = 0.0
    for i in range(x.size):
        value = np.float64(x[i]) if (bits[i] & _MASK) <= _LARGEST else 0.0
        kept = np.float64(xq[i]) if (bits[i] & _MASK) <= _LARGEST and (other[i] & _MASK) <= _LARGEST else 0.0
        noise += (kept - value) * (kept - value)
    return noise
