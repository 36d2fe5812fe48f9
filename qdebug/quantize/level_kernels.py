"""Compiled loops over CPU float32 arrays for small floats and tables. Importing this fails where numba is missing.

Results are those of the torch path, byte for byte.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qdebug.formats import Float

Floats = NDArray[np.float32]

_RUN = 1024
"""Values treated at once: what stands between the loops fits into the first-level cache many times."""

_FEW = 32
"""Levels up to which comparing with each of them, eight values at a time, is quicker than a search."""


def float_constants(fmt: Float) -> tuple[np.float32, np.int32, np.float32]:
    """What :func:`round_floats` needs of a format: its magic factor, the bits of its smallest normal, its largest."""
    smallest = np.float32(fmt.smallest_normal).view(np.int32)
    return np.float32(1.5 * 2.0 ** (23 - fmt.mantissa_bits)), np.int32(smallest), np.float32(fmt.largest)


@njit(cache=True, nogil=True, error_model="numpy")
def round_floats(
    x: Floats, out: Floats, scale: Floats, size: int, factor: np.float32, smallest: np.int32, largest: np.float32
) -> None:
    """Round ``x [R, C]`` to a small float with ``scale [R, G]`` over runs of ``size`` columns, half to even.

    Adding and subtracting ``1.5 · 2^(23 − m)`` times the value's power of two leaves m bits after its leading one: the
    addition itself rounds, half to even. Subnormal numbers share the smallest normal's power of two.
    """
    t, power, s = np.empty(_RUN, np.float32), np.empty(_RUN, np.int32), np.empty(_RUN, np.float32)
    bits, powers = t.view(np.int32), power.view(np.float32)
    mask = np.int32(0x7F800000)
    for r in range(x.shape[0]):
        for begin in range(0, x.shape[1], _RUN):
            values, written = x[r, begin : begin + _RUN], out[r, begin : begin + _RUN]
            _spread(scale[r], size, begin, s[: values.size])
            for i in range(values.size):
                v = values[i] / s[i]
                v = largest if v > largest else v
                v = -largest if v < -largest else v
                t[i] = v
            for i in range(values.size):
                power[i] = max(bits[i] & mask, smallest)
            for i in range(values.size):
                magic = powers[i] * factor
                written[i] = ((t[i] + magic) - magic) * s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def round_table(x: Floats, out: Floats, scale: Floats, size: int, levels: Floats, thresholds: Floats) -> None:
    """Give each value of ``x [R, C]`` the nearest level times its scale; half-way goes to the lower level.

    ``levels [1 or R, K]`` ascend; ``thresholds [1 or R, K − 1]`` lie half-way between them.
    """
    t, y, s = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    for r in range(x.shape[0]):
        row = r if levels.shape[0] > 1 else 0
        reals, limits = levels[row], thresholds[row]
        for begin in range(0, x.shape[1], _RUN):
            values, written = x[r, begin : begin + _RUN], out[r, begin : begin + _RUN]
            _spread(scale[r], size, begin, s[: values.size])
            for i in range(values.size):
                t[i] = values[i] / s[i]
            if limits.size < _FEW:
                lowest = reals[0]
                for i in range(values.size):
                    y[i] = lowest
                for k in range(limits.size):
                    limit, real = limits[k], reals[k + 1]
                    for i in range(values.size):
                        y[i] = real if t[i] > limit else y[i]
            else:
                for i in range(values.size):
                    y[i] = reals[np.searchsorted(limits, t[i])]
            for i in range(values.size):
                v = t[i] if t[i] != t[i] else y[i]
                written[i] = v * s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def group_absmax(bits: NDArray[np.int32], size: int, out: NDArray[np.int32]) -> None:
    """The bits of the largest finite magnitude in each run of ``size`` columns of ``bits [R, C]``; ``out [R, G]``."""
    mask, infinity, none = np.int32(0x7FFFFFFF), np.int32(0x7F800000), np.int32(0)
    for r in range(bits.shape[0]):
        row = bits[r]
        for g in range(out.shape[1]):
            part = row[g * size : min(g * size + size, row.size)]
            most = none
            for i in range(part.size):
                key = part[i] & mask
                most = max(most, key if key < infinity else none)
            out[r, g] = most


@njit(cache=True, nogil=True)
def _spread(scale: Floats, size: int, begin: int, out: Floats) -> None:
    """The scale of each column from ``begin`` on."""
    i = 0
    while i < out.size:
        g = (begin + i) // size
        end = min((g + 1) * size - begin, out.size)
        value = scale[g]
        for j in range(i, end):
            out[j] = value
        i = end
