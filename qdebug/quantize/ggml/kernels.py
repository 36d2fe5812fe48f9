"""Compiled searches of the K-quants, equal bit for bit to those of :mod:`qdebug.quantize.ggml.search`.

Importing this fails where numba is missing; callers then use numpy. Sub-blocks are treated 64 at a time, one a lane, so
that sums run down the values in ggml's order while the loop over lanes vectorizes. No fast-math flag is set, and
nothing is contracted to a fused multiply-add.

All scratch memory is one array, in runs of 64 floats: the compiler then knows that what a loop writes is not what it
reads; with so many separate arrays it would give up and compute value by value. The constants say which run holds what.
``bits`` is the same memory as int32: ggml rounds by a float's bits, and numba widens integers that are not stored.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Codes = NDArray[np.uint8]

_LANES = 64
_MAGIC = np.float32(12582912.0)
_ZERO, _ONE = np.float32(0), np.float32(1)

# Runs 0 … 31 hold the values, 32 … 63 their weights (for Q6_K: 32 … 47 squares, 48 … 63 cubes), 64 … 95 the codes.
_WEIGHT, _CODE = 32, 64
(_WEIGHTS, _MOMENT, _LEAST, _MOST, _INVERSE, _FIRST, _SECOND, _MIXED, _TRIAL, _TRIAL_LOW, _ERROR, _SCALE, _BEST, _KEPT,
 _KEPT_LOW, _NOTHING, _SCALED, _WHOLE, _DETERMINANT, _RUNS) = range(96, 116)  # fmt: skip


@njit(inline="always")
def _run(s: Floats, number: int) -> Floats:
    return s[number * _LANES : number * _LANES + _LANES]


@njit(cache=True, nogil=True, error_model="numpy")
def _load(s: Floats, x: Floats) -> None:
    """Up to 64 sub-blocks ``x [count, size]``, one a lane."""
    for i in range(x.shape[1]):
        values = _run(s, i)
        for k in range(x.shape[0]):
            values[k] = x[k, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _round(s: Floats, bits: Ints, i: int, lowest: np.int32, highest: np.int32, inverse: int, low: int) -> None:
    """Codes of value ``i`` of each lane: ggml's ``nearest_int`` of ``inverse · (x − low)``, clamped."""
    values, q, scaled = _run(s, i), _run(s, _CODE + i), _run(s, _SCALED)
    inverses, lows = _run(s, inverse), _run(s, low)
    found, whole = _run(bits, _SCALED), _run(bits, _WHOLE)
    for k in range(_LANES):
        scaled[k] = inverses[k] * (values[k] - lows[k]) + _MAGIC
    for k in range(_LANES):
        whole[k] = (found[k] & np.int32(0x007FFFFF)) - np.int32(0x00400000)
    for k in range(_LANES):
        whole[k] = min(max(whole[k], lowest), highest)
    for k in range(_LANES):
        q[k] = np.float32(whole[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_start(s: Floats) -> None:
    """Weights (magnitude plus root mean square), their sums, and the limits."""
    least, most, mean = _run(s, _LEAST), _run(s, _MOST), _run(s, _ERROR)
    weights, moment = _run(s, _WEIGHTS), _run(s, _MOMENT)
    for k in range(_LANES):
        least[k], most[k], mean[k], weights[k], moment[k] = s[k], s[k], _ZERO, _ZERO, _ZERO
    for i in range(32):
        values = _run(s, i)
        for k in range(_LANES):
            v = values[k]
            mean[k] += v * v
            least[k] = v if v < least[k] else least[k]
            most[k] = v if v > most[k] else most[k]
    for k in range(_LANES):
        mean[k] = np.sqrt(mean[k] / np.float32(32))
        least[k] = _ZERO if least[k] > _ZERO else least[k]
    for i in range(32):
        values, weight = _run(s, i), _run(s, _WEIGHT + i)
        for k in range(_LANES):
            w = mean[k] + np.abs(values[k])
            weight[k] = w
            weights[k] += w
            moment[k] += w * values[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_sums(s: Floats, bits: Ints) -> None:
    """Codes with the guessed scale, and the sums of w·q, w·q² and w·q·x."""
    first, second, mixed = _run(s, _FIRST), _run(s, _SECOND), _run(s, _MIXED)
    for k in range(_LANES):
        first[k], second[k], mixed[k] = _ZERO, _ZERO, _ZERO
    for i in range(32):
        _round(s, bits, i, np.int32(0), np.int32(15), _INVERSE, _LEAST)
        values, weight, q = _run(s, i), _run(s, _WEIGHT + i), _run(s, _CODE + i)
        for k in range(_LANES):
            weighted = weight[k] * q[k]
            first[k] += weighted
            second[k] += weighted * q[k]
            mixed[k] += weighted * values[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_errors(s: Floats) -> None:
    """Weighted squared errors of the codes with the fitted scale and minimum."""
    trial, low, error = _run(s, _TRIAL), _run(s, _TRIAL_LOW), _run(s, _ERROR)
    for k in range(_LANES):
        error[k] = _ZERO
    for i in range(32):
        values, weight, q = _run(s, i), _run(s, _WEIGHT + i), _run(s, _CODE + i)
        for k in range(_LANES):
            difference = trial[k] * q[k] + low[k] - values[k]
            error[k] += weight[k] * (difference * difference)


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_guess(s: Floats, top: np.float32) -> None:
    """The guess of 1 / scale at which the largest value has the code ``top``."""
    least, most, inverse = _run(s, _LEAST), _run(s, _MOST), _run(s, _INVERSE)
    for k in range(_LANES):
        inverse[k] = top / (most[k] - least[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_fit(s: Floats) -> None:
    """Scale and minimum (not above zero) of least squares for the codes found."""
    weights, moment, first = _run(s, _WEIGHTS), _run(s, _MOMENT), _run(s, _FIRST)
    second, mixed, determinant = _run(s, _SECOND), _run(s, _MIXED), _run(s, _DETERMINANT)
    trial, low = _run(s, _TRIAL), _run(s, _TRIAL_LOW)
    for k in range(_LANES):
        determinant[k] = weights[k] * second[k] - first[k] * first[k]
        low[k] = (second[k] * moment[k] - first[k] * mixed[k]) / determinant[k]
        trial[k] = (weights[k] * mixed[k] - moment[k] * first[k]) / determinant[k]
        if low[k] > _ZERO:
            low[k], trial[k] = _ZERO, mixed[k] / second[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_keep(s: Floats, first: bool) -> None:
    """Keep the trial where it is better, or everywhere if it is the first."""
    least, inverse, trial, low = _run(s, _LEAST), _run(s, _INVERSE), _run(s, _TRIAL), _run(s, _TRIAL_LOW)
    error, determinant, scale = _run(s, _ERROR), _run(s, _DETERMINANT), _run(s, _SCALE)
    best, kept, kept_low = _run(s, _BEST), _run(s, _KEPT), _run(s, _KEPT_LOW)
    for k in range(_LANES):
        if first or (determinant[k] > _ZERO and error[k] < best[k]):
            best[k], scale[k], kept[k], kept_low[k], least[k] = error[k], trial[k], inverse[k], least[k], low[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _affine_rounds(s: Floats, bits: Ints) -> None:
    """The plain scale, then the 21 guesses. The next guess starts from the minimum kept so far, as in ggml."""
    least, inverse, trial, low = _run(s, _LEAST), _run(s, _INVERSE), _run(s, _TRIAL), _run(s, _TRIAL_LOW)
    _affine_guess(s, np.float32(15))
    _affine_sums(s, bits)
    for k in range(_LANES):
        trial[k], low[k] = _ONE / inverse[k], least[k]
    _affine_errors(s)
    _affine_keep(s, True)
    for step in range(21):
        _affine_guess(s, np.float32(-1) + np.float32(0.1) * np.float32(step) + np.float32(15))
        _affine_sums(s, bits)
        _affine_fit(s)
        _affine_errors(s)
        _affine_keep(s, False)


@njit(cache=True, nogil=True, error_model="numpy")
def affine_search(x: Floats, scale: Floats, low: Floats, codes: Codes) -> None:
    """Scales ``[n]``, minimums ``[n]`` and codes ``[n, 32]`` of the sub-blocks ``x [n, 32]``, for Q4_K."""
    s = np.zeros(_RUNS * _LANES, np.float32)
    bits = s.view(np.int32)
    for start in range(0, x.shape[0], _LANES):
        count = min(_LANES, x.shape[0] - start)
        _load(s, x[start : start + count])
        _affine_start(s)
        _affine_rounds(s, bits)
        for i in range(32):
            _round(s, bits, i, np.int32(0), np.int32(15), _KEPT, _KEPT_LOW)
        for k in range(count):
            scale[start + k], low[start + k] = s[_SCALE * _LANES + k], s[_LEAST * _LANES + k]
            for i in range(32):
                codes[start + k, i] = np.uint8(s[(_CODE + i) * _LANES + k])


@njit(cache=True, nogil=True, error_model="numpy")
def _symmetric_start(s: Floats) -> None:
    """The value of largest magnitude, the squares and the cubes."""
    most = _run(s, _MOST)
    for k in range(_LANES):
        most[k] = s[k]
    for i in range(16):
        values, square, cube = _run(s, i), _run(s, _WEIGHT + i), _run(s, _WEIGHT + 16 + i)
        for k in range(_LANES):
            v = values[k]
            most[k] = v if np.abs(v) > np.abs(most[k]) else most[k]
            square[k] = v * v
            cube[k] = square[k] * v


@njit(cache=True, nogil=True, error_model="numpy")
def _symmetric_step(s: Floats, bits: Ints, step: int) -> None:
    """One guess of the scale, tried and kept where it is better; step 0 is the guess to start from."""
    most, inverse, zero = _run(s, _MOST), _run(s, _INVERSE), _run(s, _NOTHING)
    mixed, second = _run(s, _MIXED), _run(s, _SECOND)
    scale, best, kept = _run(s, _SCALE), _run(s, _BEST), _run(s, _KEPT)
    top = np.float32(32) + np.float32(0.1) * np.float32(step)
    for k in range(_LANES):
        inverse[k] = -top / most[k]
        mixed[k], second[k], zero[k] = _ZERO, _ZERO, _ZERO
    for i in range(16):
        _round(s, bits, i, np.int32(-32), np.int32(31), _INVERSE, _NOTHING)
        square, cube, q = _run(s, _WEIGHT + i), _run(s, _WEIGHT + 16 + i), _run(s, _CODE + i)
        for k in range(_LANES):
            mixed[k] += cube[k] * q[k]
            second[k] += square[k] * q[k] * q[k]
    for k in range(_LANES):
        quotient = mixed[k] / second[k]
        if step == 0 or mixed[k] * mixed[k] > best[k] * second[k]:
            scale[k], best[k], kept[k] = quotient, quotient * mixed[k], inverse[k]


@njit(cache=True, nogil=True, error_model="numpy")
def symmetric_search(x: Floats, scale: Floats, codes: Codes) -> None:
    """Scales ``[n]`` and codes ``[n, 16]`` of the sub-blocks ``x [n, 16]``, for Q6_K."""
    s = np.zeros(_RUNS * _LANES, np.float32)
    bits = s.view(np.int32)
    for start in range(0, x.shape[0], _LANES):
        count = min(_LANES, x.shape[0] - start)
        _load(s, x[start : start + count])
        _symmetric_start(s)
        _symmetric_step(s, bits, 0)
        for step in range(-9, 10):
            if step != 0:
                _symmetric_step(s, bits, step)
        for i in range(16):
            _round(s, bits, i, np.int32(-32), np.int32(31), _KEPT, _NOTHING)
        for k in range(count):
            none = np.abs(s[_MOST * _LANES + k]) < np.float32(1e-15)
            scale[start + k] = _ZERO if none else s[_SCALE * _LANES + k]
            for i in range(16):
                codes[start + k, i] = 0 if none else np.uint8(s[(_CODE + i) * _LANES + k] + np.float32(32))
