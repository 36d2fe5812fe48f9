"""Histograms whose bins do not depend on the order in which values arrive.

A bin is ``[k·2^e, (k+1)·2^e)`` for integers k and e, and e is the smallest exponent at which the values seen so far
fall into the bins there are. When the range grows, e grows, and every two bins 2k and 2k + 1 become one: counts move,
no value is ever put into a wrong bin or lost. Since scaling by a power of two is exact, the bin of a value is too. So
the histogram of a stream is a function of the set of its values alone, and zero is always an edge.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST_EXPONENT = -126
"""2^126 is the largest power whose reciprocal is a normal float32."""

_DIGITS = 22
"""Bin numbers stay below 2^22, so that float32 holds them exactly and int32 has room."""


def exponent_for(low: float, high: float, bins: int) -> int:
    """The exponent e of the bin width 2^e for values between ``low`` and ``high``."""
    if low == high == 0.0:
        return SMALLEST_EXPONENT  # bins only ever become wider, and there may be small values to come
    exponent = max(SMALLEST_EXPONENT, math.frexp(max(abs(low), abs(high)))[1] - _DIGITS)
    if high > low:
        exponent = max(exponent, math.frexp((high - low) / bins)[1] - 2)
    while bin_of(high, exponent) - bin_of(low, exponent) >= bins:
        exponent += 1
    return exponent


def bin_of(value: float, exponent: int) -> int:
    """The number k of the bin that holds ``value``."""
    return math.floor(math.ldexp(value, -exponent))


def merge(counts: NDArray[np.int64], origin: int, doublings: int, new_origin: int) -> NDArray[np.int64]:
    """Counts of bins ``origin, origin + 1 …`` as counts of bins 2^doublings times as wide from ``new_origin``."""
    merged = np.zeros_like(counts)
    used = np.flatnonzero(counts)
    np.add.at(merged, ((used + origin) >> doublings) - new_origin, counts[used])
    return merged


def histogram(x: Tensor, bins: int = 256) -> tuple[float, float, NDArray[np.int64]]:
    """Exact counts of the finite values of a tensor in equal bins.

    Returns:
        ``low, high, counts``: the outer edges, which are the smallest and largest finite value (a little apart from it
        where there is only one, zeros for none), and int64 counts that sum to their number.
    """
    finite = x.detach().float().reshape(-1)
    finite = finite[torch.isfinite(finite)].double().numpy()
    if not finite.size:
        return 0.0, 0.0, np.zeros(bins, np.int64)
    low, high = float(finite.min()), float(finite.max())
    if not high > low:
        margin = max(0.25 * abs(low), math.ldexp(1.0, SMALLEST_EXPONENT)) if low else 0.25
        low, high = low - margin, high + margin
    counts, _ = np.histogram(finite, bins=bins, range=(low, high))
    return low, high, counts.astype(np.int64)
