"""Analytic clipping for integer quantization: a clip limit from a model (Banner et al. 2019, arXiv 1810.05723).

The values are taken to follow a Laplace or a Gauss density. The expected squared error of clipping them at ``±α`` and
rounding to ``2^M`` codes in between (the step is ``2α / 2^M``, its noise a twelfth of its square) is a closed formula;
its minimum gives α as a multiple of the density's spread: of the mean absolute deviation b, or of the standard
deviation σ. As published: the two formulas, ``mean ± α`` for two-sided data, and for one-sided data (behind a ReLU)
the limits ``[0, α]``, whose step is half as wide, so that α is that of one more bit.

Three things are not in the paper. α is solved for any number of bits, not looked up. A symmetric grid is centred at
zero whatever the mean, so there the spread is that about zero; a one-sided tensor on it gains no bit. And the spread
of one-sided data is that of the density's other half mirrored: it is measured about zero over the values off zero,
which the zeros that a ReLU wrote would spoil.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

Density = Literal["laplace", "gauss"]


@lru_cache(maxsize=128)
def clip_ratio(density: Density, bits: int) -> float:
    """The best clip limit as a multiple of the spread: α / b (Laplace) or α / σ (Gauss).

    The derivative of the error vanishes there: ``e^−t = t / (3 · 4^M)`` for t = α / b, and
    ``√(2/π) · e^(−t²/2) − t · erfc(t/√2) = t / (3 · 4^M)`` for t = α / σ. Newton's method; what it solves is rising and
    concave and it starts on the left, so every step stays on the left.

    Raises:
        ValueError: fewer than one bit.
    """
    if bits < 1:
        raise ValueError(f"{bits} bits")
    noise = 1.0 / (3.0 * 4.0**bits)
    ratio, step = (1.0 if density == "laplace" else 0.0), math.inf
    while abs(step) > 1e-12 * ratio:
        if density == "laplace":  # the logarithm of both sides
            step = -(ratio + math.log(ratio) + math.log(noise)) / (1.0 + 1.0 / ratio)
        else:
            tail = math.erfc(ratio / math.sqrt(2.0))
            value = ratio * tail - math.sqrt(2.0 / math.pi) * math.exp(-ratio * ratio / 2.0) + ratio * noise
            step = -value / (tail + noise)
        ratio += step
    return ratio


def aciq_range(
    density: Density,
    bits: int,
    symmetric: bool,
    limits: tuple[Tensor, Tensor],
    mean: Tensor,
    spreads: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """The clip range of each tensor, zero included and never beyond what was observed.

    Args:
        density: the model.
        bits: bits of a code.
        symmetric: the grid is centred at zero.
        limits: smallest and largest value, float64 of any shape; all other tensors have that shape.
        mean: the mean.
        spreads: the mean absolute deviation (Laplace) or the standard deviation (Gauss): about the mean, about zero,
            and about zero over the values that are not zero.

    Returns:
        ``low, high``. Where the model leaves nothing but zero (its spread is zero), the observed range.
    """
    low, high = limits[0].clamp(max=0.0), limits[1].clamp(min=0.0)
    about_mean, about_zero, off_zero = spreads
    one_sided = (low == 0.0) | (high == 0.0)
    if symmetric:
        reach = clip_ratio(density, bits) * torch.where(one_sided, off_zero, about_zero)
        below, above = -reach, reach
    else:
        reach, half = clip_ratio(density, bits) * about_mean, clip_ratio(density, bits + 1) * off_zero
        below, above = torch.where(one_sided, -half, mean - reach), torch.where(one_sided, half, mean + reach)
    below, above = torch.maximum(below.clamp(max=0.0), low), torch.minimum(above.clamp(min=0.0), high)
    empty = ~(below < above)
    return torch.where(empty, low, below), torch.where(empty, high, above)
