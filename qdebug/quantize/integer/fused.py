"""Fused multiply-adds and polynomials of float32 as a processor computes them: rounded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_BELOW = 2**29 - 1
"""The bits of a float64 that a float32 has no room for."""
_HALF = 2**28
_PIECE = 2**15
"""Values treated at once: what stands between the steps of a polynomial stays in the cache."""


def fma(a: Tensor, b: Tensor | float, c: Tensor | float) -> Tensor:
    """``a · b + c`` rounded once to float32; shapes broadcast.

    In float64 the product is exact. The sum is rounded there, and again on the way to float32; that is one rounding
    too many only where the first one lands half-way between two float32 numbers, so there its error decides. (Results
    below float32's smallest normal number may still be rounded twice.)

    Args:
        a: float32 numbers, in a tensor of float32 or float64.
        b: the same, or one Python float.
        c: the same.
    """
    product, addend = a.double() * _wide(b), _wide(c)
    total = product + addend
    tied = (total.view(torch.int64) & _BELOW) == _HALF
    if bool(tied.any()):
        ours = product.expand_as(total)[tied]
        other = addend.expand_as(total)[tied] if isinstance(addend, Tensor) else torch.full_like(ours, addend)
        total[tied] = _decided(ours, other, total[tied])
    return total.float()


def _wide(x: Tensor | float) -> Tensor | float:
    return x.double() if isinstance(x, Tensor) else x


def _decided(a: Tensor, b: Tensor, total: Tensor) -> Tensor:
    """A float64 sum moved one step to where the exact sum lies, if it is not exact (Knuth's two-sum)."""
    taken = total - a
    error = (a - (total - taken)) + (b - taken)
    beyond = torch.copysign(torch.full_like(error, torch.inf), error)
    return torch.where(error == 0, total, torch.nextafter(total, beyond))


def float32(*values: float) -> tuple[float, ...]:
    """Numbers as float32 holds them."""
    return tuple(torch.tensor(values, dtype=torch.float32).tolist())


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """A polynomial by Horner's scheme with fused multiply-adds.

    Args:
        x: float32.
        coefficients: float32 numbers from the highest power down.
    """
    wide = x.double()
    first, second, *rest = coefficients
    found = fma(wide, first, second)
    for one in rest:
        found = fma(found, wide, one)
    return found


def in_pieces(function: Callable[[Tensor], Tensor], x: Tensor, width: int = 1) -> Tensor:
    """A function of each value, or of each row of ``width``, computed a piece at a time."""
    flat = x.reshape(-1, width)
    out = torch.empty_like(flat)
    rows = max(_PIECE // max(width, 1), 1)
    for start in range(0, len(flat), rows):
        out[start : start + rows] = function(flat[start : start + rows])
    return out.reshape(x.shape)
