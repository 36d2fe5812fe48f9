"""Division and rounding of float32 in integers: the oracle for codes. No floating-point operation decides anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_GUARD = 38
"""Places that numerators are moved up: eleven bits above 24 leave at least 25 in the quotient, and all fit in int64."""

_FAR = 24
"""Every grid ends before 2^24; quotients beyond are not told apart."""


@dataclass(frozen=True)
class Quotients:
    """|x / scale| = (whole + rest) · 2^exponent, with 0 ≤ rest < 1 and ``sticky`` where rest > 0; and its sign."""

    whole: Ints
    sticky: NDArray[np.bool_]
    exponent: Ints
    sign: Ints


def divided(x: NDArray[np.float32], scale: NDArray[np.float32]) -> Quotients:
    """Exact quotients of finite numbers of at most eleven significant bits by positive normal float32."""
    above, below = _parts(x, 11), _parts(scale, 24)
    whole, rest = np.divmod(above[0] << _GUARD, below[0])
    return Quotients(whole, rest != 0, above[1] - below[1] - _GUARD, np.where(np.signbit(x), -1, 1))


def in_float32(q: Quotients) -> Quotients:
    """The float32 nearest to each quotient, half to even, subnormal numbers included. Overflow is left standing."""
    drop = np.maximum(_length(q.whole) - 24, -149 - q.exponent)
    drop = np.maximum(drop, 0)
    return Quotients(_shifted(q.whole, drop, q.sticky), np.zeros_like(q.sticky), q.exponent + drop, q.sign)


def rounded(q: Quotients) -> Ints:
    """The integer nearest to each quotient, half to even; beyond 2^24 it is 2^24."""
    far = (q.whole > 0) & (_length(q.whole) + q.exponent > _FAR)
    up = np.where(far, 0, q.exponent.clip(0))
    whole = _shifted(q.whole << up, (-q.exponent).clip(0), q.sticky)
    return q.sign * np.where(far, 1 << _FAR, whole)


def _parts(x: NDArray[np.float32], bits: int) -> tuple[Ints, Ints]:
    """|x| = integer · 2^exponent, the integer of exactly so many bits (0 for 0)."""
    fraction, exponent = np.frexp(np.abs(x).astype(np.float64))
    integer = (fraction * 2.0**bits).astype(np.int64)
    assert (integer * 2.0 ** (exponent.astype(np.int64) - bits) == np.abs(x)).all(), f"more than {bits} bits"
    return integer, exponent.astype(np.int64) - bits


def _length(n: Ints) -> Ints:
    """Bits of each integer."""
    return np.frexp(n.astype(np.float64))[1].astype(np.int64)


def _shifted(n: Ints, places: Ints, sticky: NDArray[np.bool_]) -> Ints:
    """(n + something below 1 where sticky) / 2^places, rounded half to even."""
    places = places.clip(max=62)
    kept, dropped = n >> places, n & ((1 << places) - 1)
    half = np.where(places > 0, 1 << (places - 1).clip(0), 1)  # without places only sticky is dropped: less than half
    up = (dropped > half) | ((dropped == half) & (sticky | (kept % 2 == 1)))
    return kept + up
