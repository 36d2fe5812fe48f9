"""Means of what activations make of a normal distribution.

Nagel, van Baalen, Blankevoort, Welling: *Data-Free Quantization Through Weight Equalization and Bias Correction*,
ICCV 2019 (arXiv:1906.04721), section 4.2.1 and appendix C.
"""

from __future__ import annotations

from math import inf, pi, sqrt

import torch
from torch import Tensor


def clipped_mean(mean: Tensor, deviation: Tensor, low: float = 0.0, high: float = inf) -> Tensor:
    """E[min(max(x, a), b)] for normal x; with a = 0 and no b that of a ReLU (equation 19).

    With α = (a − μ)/σ and β = (b − μ)/σ it is a Φ(α) + b (1 − Φ(β)) + μ (Φ(β) − Φ(α)) + σ (φ(α) − φ(β)). A channel
    that does not vary has its own clipped mean.

    Args:
        mean: μ, float64 ``[C]``.
        deviation: σ ≥ 0, float64 ``[C]``.
        low: a; may be −inf.
        high: b; may be inf.

    Returns:
        float64 ``[C]``.
    """
    varies = deviation > 0
    sigma = torch.where(varies, deviation, 1.0)
    lower, upper = (low - mean) / sigma, (high - mean) / sigma
    below, above = torch.special.ndtr(lower), torch.special.ndtr(-upper)
    # of the two differences that are the same, the one of small numbers
    inside = torch.where(lower > 0, torch.special.ndtr(-lower) - above, torch.special.ndtr(upper) - below)
    found = mean * inside + sigma * (_density(lower) - _density(upper))
    if low > -inf:
        found = found + low * below
    if high < inf:
        found = found + high * above
    return torch.where(varies, found, mean.clamp(low, high))


def leaky_mean(mean: Tensor, deviation: Tensor, slope: Tensor | float) -> Tensor:
    """E[x where x > 0, else slope · x] for normal x: what a ReLU makes of x, less what the slope leaves of −x."""
    return clipped_mean(mean, deviation) - slope * clipped_mean(-mean, deviation)


def _density(x: Tensor) -> Tensor:
    return torch.exp(-x.square() / 2) / sqrt(2 * pi)
