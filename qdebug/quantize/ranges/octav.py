"""OCTAV: the clip limits of least squared error by Newton's method (Sakr et al. 2022, arXiv 2206.06501).

For values clipped at ``±s`` and B bits the expected squared error is that of clipping and ``4^−B / 3 · s²`` for each
value inside. Newton's method on its derivative, as published::

    s ← Σ_{|x| > s} |x|  /  (4^−B / 3 · #{|x| ≤ s} + #{|x| > s})

and with a twelfth in place of the third for unsigned data. It starts at 0, so that its first step is the mean
magnitude. Exact zeros count nowhere: they round to themselves.

Not in the paper: affine grids over data of both signs. There the noise is ``4^−B / 12 · (high − low)²`` for each value
inside, and the same step is taken on either limit; with equal tails, or with one limit at zero, it becomes the
published one.

From the left every step goes outwards, but values pass from one sum to the other in lumps, and a step may pass the
root. So a limit never turns back: it rests where the next step would.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Tails = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]
"""Clip limits ``low, high`` to what lies beyond: the number of values below, the sum of their distances from ``low``,
and the same above ``high``. All float64 of one shape."""

TOLERANCE = 1e-5
"""The search ends when no limit moves by more than this share of itself."""

MOST_STEPS = 50
"""How many steps it may take; ten or so do."""


def octav_range(
    tails: Tails, count: Tensor, limits: tuple[Tensor, Tensor], bits: int, symmetric: bool
) -> tuple[Tensor, Tensor]:
    """The clip range of each tensor, zero included and never beyond what was observed.

    Args:
        tails: what lies beyond limits.
        count: values that are not zero, float64 of any shape; all other tensors have that shape.
        limits: smallest and largest value.
        bits: bits of a code.
        symmetric: one limit for both sides.
    """
    low, high = limits[0].clamp(max=0.0), limits[1].clamp(min=0.0)
    noise = 4.0**-bits / (3.0 if symmetric else 12.0)
    below, above = torch.zeros_like(low), torch.zeros_like(high)
    for _ in range(MOST_STEPS):
        fewer, under, more, over = tails(below, above)
        inside = noise * (count - fewer - more)
        if symmetric:
            outside = fewer + more
            reach = _ratio(under + over + outside * above, inside + outside)
            down, up = -torch.minimum(reach, torch.maximum(-low, high)), torch.minimum(reach, torch.maximum(-low, high))
        else:
            down = _ratio(inside * above + fewer * below - under, inside + fewer)
            up = _ratio(inside * below + more * above + over, inside + more)
            down, up = torch.maximum(down, low), torch.minimum(up, high)
        down, up = torch.minimum(down, below), torch.maximum(up, above)
        moved = bool(((up - above > TOLERANCE * up) | (below - down > -TOLERANCE * down)).any())
        below, above = down, up
        if not moved:
            break
    below, above = torch.maximum(below, low), torch.minimum(above, high)
    empty = ~(below < above)
    return torch.where(empty, low, below), torch.where(empty, high, above)


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    return torch.where(other > 0.0, one / other.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
