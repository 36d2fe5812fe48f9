"""Compiled loops of rounding with feedback, over float32 arrays. Importing this fails where numba is missing.

Matrices are transposed, ``[columns, R]``: what is done to a column of a weight runs over neighbours in memory. Results
are those of the torch path, byte for byte: the same operations in the same order.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qdebug.quantize.level_kernels import float_constants, round_floats, round_table

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

__all__ = ["float_constants", "round_levels", "round_small_floats", "round_uniform"]

_TILE = 256
"""Rows treated at once: the errors of 128 columns then take 128 KiB."""


@njit(cache=True, nogil=True, error_model="numpy")
def round_uniform(
    values: Floats, errors: Floats, factor: Floats, scale: Floats, low: Floats, high: Floats, places: Places
) -> None:
    """Round columns one after the other to a uniform grid.

    Args:
        values: ``[B, R]``; holds what the columns are to be before the errors of this block, then the rounded values.
        errors: ``[B, R]``; holds the weight, then the weight less the rounded values (0 where that is not finite).
        factor: ``[B, B]``, used above the diagonal: what part of column j's error column k takes.
        scale: ``[G, R]``.
        low: the lowest code less the zero point, ``[G, R]``.
        high: the highest code less the zero point, ``[G, R]``.
        places: each column's group.
    """
    zero = np.float32(0.0)
    v, q = np.empty(_TILE, np.float32), np.empty(_TILE, np.float32)
    for begin in range(0, values.shape[1], _TILE):
        size = min(_TILE, values.shape[1] - begin)
        for k in range(values.shape[0]):
            _gather(values[k, begin : begin + size], errors, factor, k, begin, v[:size])
            place = places[k]
            s = scale[place, begin : begin + size]
            below, above = low[place, begin : begin + size], high[place, begin : begin + size]
            for i in range(size):
                t = np.rint(v[i] / s[i])
                t = below[i] if t < below[i] else t
                t = above[i] if t > above[i] else t
                q[i] = (t + zero) * s[i]
            _settle(values[k, begin : begin + size], errors[k, begin : begin + size], q)


@njit(cache=True, nogil=True, error_model="numpy")
def round_small_floats(
    values: Floats, errors: Floats, factor: Floats, scale: Floats, places: Places,
    magic: np.float32, smallest: np.int32, largest: np.float32,
) -> None:  # fmt: skip
    """:func:`round_uniform` for small floats (see :func:`qdebug.quantize.level_kernels.round_floats`)."""
    v, q = np.empty((1, _TILE), np.float32), np.empty((1, _TILE), np.float32)
    for begin in range(0, values.shape[1], _TILE):
        end = min(begin + _TILE, values.shape[1])
        size = end - begin
        for k in range(values.shape[0]):
            _gather(values[k, begin:end], errors, factor, k, begin, v[0, :size])
            place = places[k]
            round_floats(v[:, :size], q[:, :size], scale[place : place + 1, begin:end], 1, magic, smallest, largest)
            _settle(values[k, begin:end], errors[k, begin:end], q[0])


@njit(cache=True, nogil=True, error_model="numpy")
def round_levels(
    values: Floats, errors: Floats, factor: Floats, scale: Floats, places: Places, levels: Floats, thresholds: Floats
) -> None:
    """:func:`round_uniform` for a table of levels (see :func:`qdebug.quantize.level_kernels.round_table`)."""
    v, q = np.empty((1, _TILE), np.float32), np.empty((1, _TILE), np.float32)
    for begin in range(0, values.shape[1], _TILE):
        end = min(begin + _TILE, values.shape[1])
        size = end - begin
        for k in range(values.shape[0]):
            _gather(values[k, begin:end], errors, factor, k, begin, v[0, :size])
            place = places[k]
            round_table(v[:, :size], q[:, :size], scale[place : place + 1, begin:end], 1, levels, thresholds)
            _settle(values[k, begin:end], errors[k, begin:end], q[0])


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(start: Floats, errors: Floats, factor: Floats, k: int, begin: int, v: Floats) -> None:
    """What column k is to be: its start and its parts of the errors before it, added one after the other."""
    for i in range(v.size):
        v[i] = start[i]
    j = 0
    while j + 4 <= k:  # four at a time, to load and store v less often
        a, b, c, d = factor[j, k], factor[j + 1, k], factor[j + 2, k], factor[j + 3, k]
        p, q = errors[j, begin : begin + v.size], errors[j + 1, begin : begin + v.size]
        r, s = errors[j + 2, begin : begin + v.size], errors[j + 3, begin : begin + v.size]
        for i in range(v.size):
            v[i] = (((v[i] + a * p[i]) + b * q[i]) + c * r[i]) + d * s[i]
        j += 4
    while j < k:
        a, p = factor[j, k], errors[j, begin : begin + v.size]
        for i in range(v.size):
            v[i] += a * p[i]
        j += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(values: Floats, errors: Floats, q: Floats) -> None:
    zero = np.float32(0.0)
    for i in range(values.size):
        values[i] = q[i]
        e = errors[i] - q[i]
        errors[i] = e if e - e == zero else zero
