"""How far two answers are apart."""

from __future__ import annotations

import math

import msgspec


def apart(one: bytes, other: bytes) -> float:
    """The largest difference of two numbers in the same place, as a part of the larger; infinite where other than
    numbers differ."""
    return 0.0 if one == other else _apart(msgspec.msgpack.decode(one), msgspec.msgpack.decode(other))


def _apart(one: object, other: object) -> float:
    match one, other:
        case (float() | int(), float() | int()):
            if one == other or (math.isnan(one) and math.isnan(other)):
                return 0.0
            return abs(one - other) / max(abs(one), abs(other))
        case (dict(), dict()) if one.keys() == other.keys():
            return max((_apart(one[name], other[name]) for name in one), default=0.0)
        case (list(), list()) if len(one) == len(other):
            return max(map(_apart, one, other), default=0.0)
    return 0.0 if one == other else math.inf
