"""Confidence intervals, all two-sided at 95 %."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927); [0, 1] for n = 0."""
    if not n:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return (centre - half if hits else 0.0), (centre + half if hits < n else 1.0)


def paired_difference(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Interval of the difference of two proportions on the same samples, second minus first.

    The adjusted Wald interval of Bonett & Price (2012, J. Educ. Behav. Stat. 37:479): one sample is added to either way
    of changing. It does not collapse where no sample changed, and it keeps its 95 % where one way is rare, as that of
    Agresti & Min (2005), which adds half as much, does not (91.5 % for 40 samples, by enumeration).

    Args:
        gained: samples that only the second has right.
        lost: samples that only the first has right.
        n: all samples.
    """
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    centre, half = up - down, Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
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
    spread = math.sqrt(n / (n - 1) * float(residual @ residual)) / below
    return value, float(stdtrit(n - 1, 0.975)) * spread


def mean(values: NDArray[np.float64], population: int | None = None) -> tuple[float, float]:
    """Interval of a mean over independent samples; [mean, mean] where they are all there are.

    That of :func:`skewed_mean` at 95 %, from 0 on where no sample is negative. Infinite for one sample out of more.

    Args:
        values: ``[n]``: an error per sample, or a change that may be of either sign.
        population: how many there are in all; None where there is no end of them.
    """
    low, high = skewed_mean(values, population)
    return low if (values < 0).any() else max(0.0, low), high


def skewed_mean(
    values: NDArray[np.float64], population: int | None = None, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a mean over independent samples whose distribution may be skewed, as squared errors are.

    Student's t statistic is brought nearer to its symmetric distribution by the cubic transformation of Hall (1992,
    J. R. Stat. Soc. B 54:221), which can be inverted and reaches further than Johnson's first-order shift (1978): for
    68 of 540 log-normal values (σ = 1) it covers 93 % where that one covers 91 %. Where the sample is a good part of a
    finite population the standard error shrinks (Cochran 1977, section 2.6), and the skewness of the mean with it.

    Args:
        values: ``[n]``.
        population: how many there are in all; None where there is no end of them.
        confidence: how likely the interval holds the mean.
    """
    n, centre = len(values), float(values.mean())
    left = 1.0 if population is None else max(0.0, 1 - n / population)
    if left and n < 2:
        return -math.inf, math.inf
    low, high = reach(values - centre, left, n - 1, confidence)
    return centre + low, centre + high


def reach(apart: NDArray[np.float64], left: float, freedom: int, confidence: float) -> tuple[float, float]:
    """How far below and above an estimated mean the true one may lie, by :func:`skewed_mean`'s transformation.

    Args:
        apart: ``[n]``, what is left of the values without the estimate; their mean is 0.
        left: the part of the population that was not seen, 1 where there is no end of it.
        freedom: degrees of freedom of ``apart``.
        confidence: how likely the true mean lies between.

    Returns:
        A number that is not positive and one that is not negative, as a rule; zeros where nothing varies or is left.
    """
    n, variance = len(apart), float(apart @ apart) / freedom if left else 0.0
    if not variance > 0:
        return 0.0, 0.0
    skewness = float((apart**3).mean()) / variance**1.5 * math.sqrt(left)
    most = float(stdtrit(freedom, (1 + confidence) / 2)) / math.sqrt(n)
    spread = math.sqrt(variance * left)
    return -spread * _unskewed(most, skewness, n), -spread * _unskewed(-most, skewness, n)


def _unskewed(value: float, skewness: float, n: int) -> float:
    """The inverse of ``w + γw²/3 + γ²w³/27 + γ/(6n)``."""
    if abs(skewness) < 1e-6:  # the cubic root would lose all digits
        return value - skewness / (6 * n) - skewness * value * value / 3
    return 3 / skewness * (float(np.cbrt(1 + skewness * (value - skewness / (6 * n)))) - 1)
