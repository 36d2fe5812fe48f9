"""Confidence intervals, all two-sided at 95 %."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927); [0, 1] for n = 0."""
    if not n:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_difference(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Interval of the difference of two proportions on the same samples, second minus first.

    The adjusted Wald interval of Agresti & Min (2005, Statistics in Medicine 24:729): half a sample is added to each of
    the four cells. Unlike the plain one it does not collapse where no sample changed.

    Args:
        gained: samples that only the second has right.
        lost: samples that only the first has right.
        n: all samples.
    """
    b, c, total = gained + 0.5, lost + 0.5, n + 2
    centre = (b - c) / total
    half = Z * math.sqrt(b + c - (b - c) ** 2 / total) / total
    return max(-1.0, centre - half), min(1.0, centre + half)


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> tuple[float, float]:
    """A ratio of sums over independent samples and the half-width of its interval (infinite for one sample).

    The linearized variance of the ratio estimator (Cochran 1977, section 6.4), with Student's t for n − 1.
    """
    n, below = len(numerator), float(denominator.sum())
    value = float(numerator.sum()) / below
    if n < 2:
        return value, math.inf
    residual = numerator - value * denominator
    return value, student(n - 1) * math.sqrt(n / (n - 1) * float(residual @ residual)) / below


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t: known for 1 and 2, else Abramowitz & Stegun 26.7.5 (to a thousandth)."""
    if freedom == 1:
        return 12.706204736174698
    if freedom == 2:
        return 4.302652729749464
    z, v = Z, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / v + second / v**2 + third / v**3 + fourth / v**4
