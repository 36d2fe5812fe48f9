"""A mean over part of a population, where something like the values is known of all of it.

Survey sampling calls that an auxiliary variable (Cochran 1977, chapter 7; Särndal, Swensson & Wretman 1992, Model
Assisted Survey Sampling). Here it is the predicted error of each sample, which is noisy, but there for all samples
before any error is measured.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qdebug.measure.intervals import reach, skewed_mean

Floats = NDArray[np.float64]
SLOPE = 0.5
"""The part of the least squares slope that the estimate is corrected by. A sample is predicted to be heavy by its error
and by luck, so the slope among the others is too steep for it; half of it was best on measured errors."""
FEWEST = 4
"""Values below which a slope says nothing."""


class Estimate(NamedTuple):
    """An estimated mean with its interval."""

    value: float
    low: float
    high: float


def assisted_mean(values: Floats, predicted: Floats, *, confidence: float = 0.95) -> Estimate:
    """The mean of a population of which the first values were seen, and how far it may lie from that.

    Three things are learnt from predictions. The estimate moves by half the regression on them (Cochran 1977, section
    7.3, with a slope chosen beforehand in part). Residuals vary less than values, so the interval gets narrower. And
    where predictions vary more among all samples than among those seen, the variance is taken to be larger in the same
    way (Isaki 1983, JASA 78:117), as far as values and predictions go together: by ``1 + √ρ (S²/s² − 1)``, never
    below 1. That widens the interval where heavy samples are still to come, before one of them was seen.

    Predictions that have nothing to do with the values do no harm: ρ is near 0 then, and what is left is
    :func:`~qdebug.measure.intervals.skewed_mean`. So it is where ρ is not positive, or predictions are alike.

    Args:
        values: ``[n]``, a simple random sample without replacement.
        predicted: ``[N]`` of the whole population, those of ``values`` first.
        confidence: how likely the interval holds the mean.

    Returns:
        The mean itself where all are seen.
    """
    n, population, centre = len(values), len(predicted), float(values.mean())
    seen = predicted[:n] - predicted[:n].mean()
    apart = values - centre
    both = math.sqrt(float(seen @ seen) * float(apart @ apart))
    together = float(seen @ apart) / both if n < population and 0 < both < math.inf else 0.0
    if not together > 0 or n < FEWEST:
        return Estimate(centre, *skewed_mean(values, population, confidence=confidence))
    slope = SLOPE * float(seen @ apart) / float(seen @ seen)
    more = float(predicted.var(ddof=1)) / (float(seen @ seen) / (n - 1)) - 1
    wider = math.sqrt(1 + math.sqrt(together) * max(more, 0.0))
    low, high = reach(apart - slope * seen, 1 - n / population, n - 2, confidence)
    value = centre + slope * float(predicted.mean() - predicted[:n].mean())
    return Estimate(value, value + wider * low, value + wider * high)


def assisted_error(values: Floats, predicted: Floats) -> Estimate:
    """:func:`assisted_mean` of errors, at 95 %: none is negative, so their mean is no less than what was seen of it."""
    value, low, high = assisted_mean(values, predicted)
    least = float(values.sum()) / len(predicted)
    if len(values) == len(predicted) or not math.isfinite(least):
        return Estimate(value, low, high)
    return Estimate(max(value, least), max(low, least), max(high, least))


def largest_unseen(predicted: Floats, n: int) -> float:
    """The largest part of all predicted errors that one sample has which is not among the first ``n``."""
    total = float(predicted.sum())
    return float(predicted[n:].max()) / total if n < len(predicted) and total > 0 else 0.0
