"""The searches for the scale of one sub-block of a K-quant: weighted least squares over a few first guesses.

Source: ``make_qkx2_quants`` and ``make_qx_quants`` of ``ggml-quants.c`` (ggml-org/llama.cpp, ggml 0.25), with the
arguments that Q4_K and Q6_K give them. Arrays are laid out with one sub-block a column, so that sums run down the rows,
in ggml's order, for all sub-blocks at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

try:
    from qdebug.quantize.ggml import kernels
except ImportError:  # numba is an accelerator, never a need
    kernels = None

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]

_MAGIC = np.float32(12582912.0)
"""1.5 · 2²³: added to a float below 2²² in magnitude, it leaves the nearest integer in the low 23 bits."""

_ZERO, _ONE = np.float32(0), np.float32(1)

FEW = 1 << 14
"""Sub-blocks up to which numpy searches too: in 0.05 s, where compiling takes seconds the first time on a machine."""


def nearest_int(x: Floats) -> NDArray[np.int32]:
    """Rounding to the nearest integer as ggml does it, halves to even.

    From magnitude 2²² on, and for infinity (−2²²) and NaN (0), the result is what the low 23 bits of ``x + 1.5 · 2²³``
    happen to be; ggml relies on it and clamps.
    """
    bits = (x + _MAGIC).view(np.int32)
    bits &= 0x007FFFFF
    bits -= 0x00400000
    return bits


def affine_search(x: Floats) -> tuple[Floats, Floats, Codes]:
    """Scale, negated minimum and codes (0 … 15) of sub-blocks for Q4_K.

    The weight of a value is its magnitude plus the root mean square of its sub-block. Minimums are never positive.
    Sub-blocks of one value, not above zero, need no case of their own: 1 / scale is infinite, 0 times that has code 0.

    Args:
        x: ``[n, 32]`` contiguous.

    Returns:
        Scales ``[n]``, negated minimums ``[n]``, codes ``[n, 32]``.
    """
    if kernels is not None and len(x) > FEW:
        scale, low, codes = np.empty(len(x), np.float32), np.empty(len(x), np.float32), np.empty(x.shape, np.uint8)
        kernels.affine_search(x, scale, low, codes)
        return scale, -low, codes
    return _affine_search(np.ascontiguousarray(x.T))


def symmetric_search(x: Floats) -> tuple[Floats, Codes]:
    """Scale and codes (0 … 63, 32 is zero) of sub-blocks for Q6_K; a value's weight is its square.

    Sub-blocks below 1e-15 have the scale 0. In the others the largest value has a code, so no divisor is 0.

    Args:
        x: ``[n, 16]`` contiguous.

    Returns:
        Scales ``[n]``, of either sign, codes ``[n, 16]``.
    """
    if kernels is not None and len(x) > FEW:
        scale, codes = np.empty(len(x), np.float32), np.empty(x.shape, np.uint8)
        kernels.symmetric_search(x, scale, codes)
        return scale, codes
    return _symmetric_search(np.ascontiguousarray(x.T))


def _affine_search(x: Floats) -> tuple[Floats, Floats, Codes]:
    weight = np.sqrt(_sum(x * x) / np.float32(32)) + np.abs(x)
    weights, moment = _sum(weight), _sum(weight * x)
    low = np.minimum(x.min(axis=0), _ZERO)
    high = x.max(axis=0)
    inverse = np.float32(15) / (high - low)
    scale = _ONE / inverse
    codes = _codes(x - low, inverse)
    error = _error(x, weight, codes, scale, low)
    for step in range(21):
        inverse = (np.float32(-1) + np.float32(0.1) * np.float32(step) + np.float32(15)) / (high - low)
        q = _codes(x - low, inverse)
        weighted = weight * q
        first, second, mixed = _sum(weighted), _sum(weighted * q), _sum(weighted * x)
        determinant = weights * second - first * first
        trial_low = (second * moment - first * mixed) / determinant
        trial = (weights * mixed - moment * first) / determinant
        trial = np.where(trial_low > 0, mixed / second, trial)
        trial_low = np.where(trial_low > 0, _ZERO, trial_low)
        trial_error = _error(x, weight, q, trial, trial_low)
        better = (determinant > 0) & (trial_error < error)
        error = np.where(better, trial_error, error)
        scale = np.where(better, trial, scale)
        low = np.where(better, trial_low, low)
        codes = np.where(better, q, codes)
    return scale, -low, np.ascontiguousarray(codes.T, np.uint8)


def _symmetric_search(x: Floats) -> tuple[Floats, Codes]:
    peak = np.take_along_axis(x, np.abs(x).argmax(axis=0)[None], axis=0)[0]
    square = x * x
    cube = square * x
    scale = best = kept = _ZERO
    for step in (0, *range(-9, 0), *range(1, 10)):
        inverse = -(np.float32(32) + np.float32(0.1) * np.float32(step)) / peak
        q = np.clip(nearest_int(inverse * x), -32, 31).astype(np.float32)
        mixed, second = _sum(cube * q), _sum(square * q * q)
        quotient = mixed / second
        better = mixed * mixed > best * second if step else np.ones(len(peak), dtype=bool)
        scale = np.where(better, quotient, scale)
        best = np.where(better, quotient * mixed, best)
        kept = np.where(better, q + np.float32(32), kept)
    none = np.abs(peak) < np.float32(1e-15)
    codes = np.where(none, _ZERO, kept).astype(np.uint8)
    return np.where(none, _ZERO, scale), np.ascontiguousarray(codes.T)


def _sum(rows: Floats) -> Floats:
    """The sum down the rows, one after the other, as C adds; numpy's own may pair them."""
    total = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def _codes(above: Floats, inverse: Floats) -> Floats:
    return np.clip(nearest_int(inverse * above), 0, 15).astype(np.float32)


def _error(x: Floats, weight: Floats, q: Floats, scale: Floats, low: Floats) -> Floats:
    difference = scale * q + low - x
    return _sum(weight * (difference * difference))
