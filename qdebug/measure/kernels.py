"""Compiled loops that compare CPU float32 arrays. Importing this fails where numba is missing.

Sums are float64; only their order is left to the compiler (``reassoc``).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]

_MAGNITUDE = np.int32(0x7FFFFFFF)
_INFINITY = np.int32(0x7F800000)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def split(
    x: Floats, xq: Floats, scale: Floats, low: Floats, high: Floats, size: int, sums: Sums, seen: NDArray[np.bool_]
) -> None:
    """Add the errors of ``x [R, C]`` on its grid to ``sums`` and mark the codes that occur in ``seen``.

    ``low`` and ``high`` are code limits minus zero point, ``[R, G]`` as ``scale``. ``sums`` holds: values, signal,
    clipping error, rounding error, clipped values. Only finite ``x`` count. The last place of ``seen`` is for what is
    no code.
    """
    bits = x.view(np.int32)
    slots, none = np.empty(1024, np.int32), np.float32(seen.size - 1)
    for r in range(x.shape[0]):
        for g in range(scale.shape[1]):
            s, first = scale[r, g], low[r, g]
            below, above = first - np.float32(_HALF), high[r, g] + np.float32(_HALF)
            count, clipped = 0, 0
            signal, clipping, rounding = 0.0, 0.0, 0.0
            part = slice(g * size, min(g * size + size, x.shape[1]))
            values, quantized, raw = x[r, part], xq[r, part], bits[r, part]
            for i in range(values.size):
                finite = (raw[i] & _MAGNITUDE) < _INFINITY
                value = np.float64(values[i]) if finite else 0.0
                error = (np.float64(quantized[i]) if finite else 0.0) - value
                place = values[i] / s
                out = finite & ((place < below) | (place > above))
                count += finite
                clipped += out
                signal += value * value
                clipping += error * error if out else 0.0
                rounding += 0.0 if out else error * error
            sums[0] += count
            sums[1] += signal
            sums[2] += clipping
            sums[3] += rounding
            sums[4] += clipped
            for begin in range(0, values.size, slots.size):
                some = quantized[begin : begin + slots.size]
                for i in range(some.size):
                    code = np.rint(some[i] / s) - first
                    code = code if code >= 0 else none  # of NaN too
                    slots[i] = np.int32(none if code > none else code)
                for i in range(some.size):
                    seen[slots[i]] = True


_HALF = 0.5 + 2.0**-10
"""Half a step, and what float32 may add to it: a value this far beyond a clip limit is clipped, not rounded."""


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def split_limits(x: Floats, xq: Floats, below: Floats, above: Floats, size: int, sums: Sums) -> None:
    """The same with the reals ``[R, G]`` beyond which a value is clipped, for grids whose steps are not all alike.

    What has become infinite or NaN is clipped, and its whole value is the error, as in :func:`split_cast`.
    """
    bits, cast = x.view(np.int32), xq.view(np.int32)
    for r in range(x.shape[0]):
        for g in range(below.shape[1]):
            low, high = below[r, g], above[r, g]
            count, clipped = 0, 0
            signal, clipping, rounding = 0.0, 0.0, 0.0
            part = slice(g * size, min(g * size + size, x.shape[1]))
            values, quantized, raw, raw_cast = x[r, part], xq[r, part], bits[r, part], cast[r, part]
            for i in range(values.size):
                finite = (raw[i] & _MAGNITUDE) < _INFINITY
                lost = (raw_cast[i] & _MAGNITUDE) >= _INFINITY
                value = np.float64(values[i]) if finite else 0.0
                error = (np.float64(quantized[i]) if finite and not lost else 0.0) - value
                out = finite & ((values[i] < low) | (values[i] > high) | lost)
                count += finite
                clipped += out
                signal += value * value
                clipping += error * error if out else 0.0
                rounding += 0.0 if out else error * error
            sums[0] += count
            sums[1] += signal
            sums[2] += clipping
            sums[3] += rounding
            sums[4] += clipped


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def split_cast(x: Floats, xq: Floats, sums: Sums) -> None:
    """The same for flat arrays and a cast: what has become infinite is clipped, and its whole value is the error."""
    bits, cast = x.view(np.int32), xq.view(np.int32)
    count, clipped = 0, 0
    signal, clipping, rounding = 0.0, 0.0, 0.0
    for i in range(x.size):
        finite = (bits[i] & _MAGNITUDE) < _INFINITY
        out = finite & ((cast[i] & _MAGNITUDE) >= _INFINITY)
        value = np.float64(x[i]) if finite else 0.0
        error = (np.float64(xq[i]) - value) if finite and not out else 0.0
        count += finite
        clipped += out
        signal += value * value
        clipping += value * value if out else 0.0
        rounding += error * error
    sums[0] += count
    sums[1] += signal
    sums[2] += clipping
    sums[3] += rounding
    sums[4] += clipped


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def differences(y: Floats, yq: Floats, inner: int, shift: Sums, sums: Sums) -> None:
    """Compare ``y`` and ``yq``, each ``[B, channels · inner]``.

    Adds ``yq − y`` per channel to ``shift`` and count, sum, sum of squares of ``y`` and squared error to ``sums``.
    Places where either is not finite count for nothing.
    """
    bits, other = y.view(np.int32), yq.view(np.int32)
    for r in range(y.shape[0]):
        for channel in range(shift.size):
            count = 0
            error, squared, total, signal = 0.0, 0.0, 0.0, 0.0
            part = slice(channel * inner, (channel + 1) * inner)
            one, two, raw_one, raw_two = y[r, part], yq[r, part], bits[r, part], other[r, part]
            for i in range(one.size):
                good = ((raw_one[i] & _MAGNITUDE) < _INFINITY) & ((raw_two[i] & _MAGNITUDE) < _INFINITY)
                value = np.float64(one[i]) if good else 0.0
                change = (np.float64(two[i]) if good else 0.0) - value
                count += good
                error += change
                squared += change * change
                total += value
                signal += value * value
            shift[channel] += error
            sums[0] += count
            sums[1] += total
            sums[2] += signal
            sums[3] += squared
