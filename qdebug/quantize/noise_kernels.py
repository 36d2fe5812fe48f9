"""Compiled loops that quantize CPU float32 values and keep only the squared error. Importing fails without numba.

What a value becomes is byte for byte what :mod:`.kernels` and :mod:`.level_kernels` would write. ``reassoc`` stands
only where sums are taken, in float64, and where nothing else could be reordered. Values must be finite; if one is not,
the sum is not finite either.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_RUN = 512
"""Values that stand between two loops at once."""

_INFINITY, _EXPONENT = np.int32(0x7F800000), np.int32(23)
_FRACTION, _TINY = np.int32(0x007FFFFF), 2.0**-126


@njit(cache=True, nogil=True, error_model="numpy")
def absmax_scales(peaks: NDArray[np.int32], largest: float, smallest: np.float32, limit: float, scale: Floats) -> None:
    """``absmax / largest`` of runs whose largest magnitudes have the bits ``peaks [R, G]``, into ``scale [R, G]``.

    1 for a run of zeros; at least ``smallest`` and at most ``limit`` (see :func:`qdebug.quantize.qparams.fitting`).
    """
    values = peaks.view(np.float32)
    for r in range(scale.shape[0]):
        for g in range(scale.shape[1]):
            value = np.float64(values[r, g]) / largest
            kept = np.float32(1.0) if peaks[r, g] == 0 else np.float32(max(value, np.float64(smallest)))
            scale[r, g] = np.float32(min(np.float64(kept), limit))


@njit(cache=True, nogil=True)
def power_scales(peaks: NDArray[np.int32], highest: int, powers: Floats, scale: Floats) -> None:
    """The shared powers of two of OCP microscaling for runs with such ``peaks [R, G]``, into ``scale [R, G]``.

    ``powers[e + 127]`` is what stands for the exponent e; ``highest`` is the element's largest exponent.
    """
    for r in range(scale.shape[0]):
        for g in range(scale.shape[1]):
            most = peaks[r, g]
            exponent = np.int64(most >> _EXPONENT)
            if exponent == 0 and most > 0:  # below the smallest normal number: the leading bit says
                exponent = -22
                while most > 1:
                    most >>= np.int32(1)
                    exponent += 1
            scale[r, g] = powers[127] if peaks[r, g] == 0 else powers[min(max(exponent - highest, 0), 254)]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def grid_noise(x: Floats, scale: Floats, low: np.float32, high: np.float32, size: int) -> float:
    """Of integers ``low … high`` with ``scale [R, G]`` over runs of ``size`` columns of ``x [R, C]``."""
    noise = 0.0
    for r in range(x.shape[0]):
        for g in range(scale.shape[1]):
            s, part = scale[r, g], 0.0
            values = x[r, g * size : min(g * size + size, x.shape[1])]
            for i in range(values.size):
                t = np.rint(values[i] / s)
                t = low if t < low else t
                t = high if t > high else t
                error = np.float64(t * s) - np.float64(values[i])
                part += error * error
            noise += part
    return noise


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def table_noise(x: Floats, scale: Floats, size: int, levels: Floats, limits: Floats) -> float:
    """Of 16 ascending ``levels`` with ``limits`` half-way between; the lower level where a value is on the limit.

    Written out: with one comparison after the other on registers it is twice as fast as a loop over the levels.
    """
    noise = 0.0
    l0, l1, l2, l3, l4, l5, l6, l7 = (
        levels[0], levels[1], levels[2], levels[3], levels[4], levels[5], levels[6], levels[7]
    )  # fmt: skip
    l8, l9, l10, l11, l12, l13, l14, l15 = (
        levels[8], levels[9], levels[10], levels[11], levels[12], levels[13], levels[14], levels[15]
    )  # fmt: skip
    t0, t1, t2, t3, t4, t5, t6, t7 = (
        limits[0], limits[1], limits[2], limits[3], limits[4], limits[5], limits[6], limits[7]
    )  # fmt: skip
    t8, t9, t10, t11, t12, t13, t14 = limits[8], limits[9], limits[10], limits[11], limits[12], limits[13], limits[14]
    for r in range(x.shape[0]):
        for g in range(scale.shape[1]):
            s, part = scale[r, g], 0.0
            values = x[r, g * size : min(g * size + size, x.shape[1])]
            for i in range(values.size):
                t = values[i] / s
                y = l1 if t > t0 else l0
                y = l2 if t > t1 else y
                y = l3 if t > t2 else y
                y = l4 if t > t3 else y
                y = l5 if t > t4 else y
                y = l6 if t > t5 else y
                y = l7 if t > t6 else y
                y = l8 if t > t7 else y
                y = l9 if t > t8 else y
                y = l10 if t > t9 else y
                y = l11 if t > t10 else y
                y = l12 if t > t11 else y
                y = l13 if t > t12 else y
                y = l14 if t > t13 else y
                y = l15 if t > t14 else y
                error = np.float64(y * s) - np.float64(values[i])
                part += error * error
            noise += part
    return noise


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def narrow_noise(
    x: Floats, scale: Floats, size: int, smallest: np.float32, step: np.float32, largest: np.float32
) -> float:
    """Of a float with two bits of exponent, which has three distances between neighbours; ``step`` is the least.

    ``smallest`` is the smallest normal number. A value is rounded to multiples of the distance where it lies, half to
    even; distances are powers of two, so nothing but that rounding rounds, in whatever order they are multiplied.
    """
    noise, steps, least = 0.0, scale.view(np.int32), np.float32(_TINY)
    second, third = smallest * np.float32(2.0), smallest * np.float32(4.0)
    wide, wider = step * np.float32(2.0), step * np.float32(4.0)
    per, per_wide, per_wider = np.float32(1.0) / step, np.float32(1.0) / wide, np.float32(1.0) / wider
    t = np.empty(_RUN, np.float32)
    for r in range(x.shape[0]):
        for g in range(scale.shape[1]):
            s, end = scale[r, g], min(g * size + size, x.shape[1])
            inverse, part = np.float32(1.0) / s, 0.0
            exact = (steps[r, g] & _FRACTION) == 0 and s >= least and inverse >= least
            for begin in range(g * size, end, _RUN):
                values = x[r, begin : min(begin + _RUN, end)]
                if exact:
                    for i in range(values.size):
                        t[i] = values[i] * inverse
                else:
                    for i in range(values.size):
                        t[i] = values[i] / s
                for i in range(values.size):
                    v = largest if t[i] > largest else t[i]
                    v = -largest if v < -largest else v
                    a = abs(v)
                    often = per if a < second else per_wide
                    often = often if a < third else per_wider
                    apart = step if a < second else wide
                    apart = apart if a < third else wider
                    error = np.float64(np.rint(v * often) * apart * s) - np.float64(values[i])
                    part += error * error
            noise += part
    return noise


@njit(cache=True, nogil=True, error_model="numpy")
def float_noise(
    x: Floats, scale: Floats, size: int, factor: np.float32, smallest: np.int32, largest: np.float32
) -> float:
    """Of a small float (see :func:`.level_kernels.round_floats`).

    Dividing by a power of two is multiplying by its reciprocal, exactly, as long as that is a normal number.
    """
    noise = 0.0
    steps, least = scale.view(np.int32), np.float32(_TINY)
    t, power = np.empty(_RUN, np.float32), np.empty(_RUN, np.int32)
    bits, powers = t.view(np.int32), power.view(np.float32)
    for r in range(x.shape[0]):
        for g in range(scale.shape[1]):
            s, end = scale[r, g], min(g * size + size, x.shape[1])
            inverse = np.float32(1.0) / s
            exact = (steps[r, g] & _FRACTION) == 0 and s >= least and inverse >= least
            for begin in range(g * size, end, _RUN):
                values = x[r, begin : min(begin + _RUN, end)]
                if exact:
                    for i in range(values.size):
                        t[i] = values[i] * inverse
                else:
                    for i in range(values.size):
                        t[i] = values[i] / s
                for i in range(values.size):
                    v = largest if t[i] > largest else t[i]
                    t[i] = -largest if v < -largest else v
                for i in range(values.size):
                    power[i] = max(bits[i] & _INFINITY, smallest)
                for i in range(values.size):
                    magic = powers[i] * factor
                    t[i] = ((t[i] + magic) - magic) * s
                noise += _squared(values, t)
    return noise


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _squared(values: Floats, rounded: Floats) -> float:
    part = 0.0
    for i in range(values.size):
        error = np.float64(rounded[i]) - np.float64(values[i])
        part += error * error
    return part
